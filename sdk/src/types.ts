import type { Usage } from "./events.js";
import type { components, operations } from "./openapi.js";

type Schemas = components["schemas"];

/** A task, as the gateway has it on record. Times are RFC 3339. */
export type Task = Omit<Schemas["Task"], "usage"> & { usage: Usage | null };

export type TaskPage = Omit<Schemas["TaskPage"], "tasks"> & { tasks: Task[] };

/** The short answer to a call that made or changed a task. */
export type TaskReceipt = Schemas["Receipt"];

/** Which tasks a list has. What is left out does not count. */
export type TaskQuery = Loose<NonNullable<operations["list_tasks"]["parameters"]["query"]>>;

export type NewTask = Loose<Schemas["TaskRequest"]>;

export type Repository = Schemas["Repository"];

/** Options that are `undefined` are the same as options that are not there. */
type Loose<T> = { [K in keyof T]: T[K] | (undefined extends T[K] ? undefined : never) };
