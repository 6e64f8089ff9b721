import type { Usage } from "./events.js";
import type { components, operations } from "./openapi.js";

type Schemas = components["schemas"];
type QueryOf<Name extends keyof operations> = operations[Name] extends { parameters: { query?: infer Query } } ? Loose<NonNullable<Query>> : never;

/** A task, as the gateway has it on record. Times are RFC 3339. */
export type Task = Omit<Schemas["Task"], "usage"> & { usage: Usage | null };

export type TaskPage = Omit<Schemas["TaskPage"], "tasks"> & { tasks: Task[] };

/** The short answer to a call that made or changed a task. */
export type TaskReceipt = Schemas["Receipt"];

/** Which tasks a list has, and which page of it. What is left out does not count. */
export type TaskQuery = QueryOf<"list_tasks">;

/** Which tasks, without which page. */
export type TaskFilter = Omit<TaskQuery, "offset" | "cursor">;

export type NewTask = Loose<Schemas["TaskRequest"]>;

export type Repository = Schemas["Repository"];

/** Who calls. `scopes` is there for API tokens. */
export type Me = Schemas["Me"];

/** What is left to do after a sign-out. */
export type SignedOut = Schemas["SignedOut"];

/** The ways to sign in. */
export type SignInMethods = Schemas["SignInMethods"];

export type Role = Schemas["Role"];

export type User = Schemas["User"];

/** A user, and how many tasks are under way for them. */
export type UserDetails = Schemas["UserDetails"];

export type UserPage = Schemas["UserPage"];

export type UserQuery = QueryOf<"list_users">;

export type NewUser = Loose<Schemas["NewUser"]>;

/** What is to be different. What is left out stays. */
export type UserChange = Loose<Schemas["UserChange"]>;

export type TokenScope = Schemas["TokenScope"];

/** A token for programs, without what is secret of it. */
export type ApiToken = Schemas["ApiToken"];

/** A token that was just made: the only answer that has the secret. */
export type ApiTokenWithSecret = Schemas["ApiTokenWithSecret"];

export type NewApiToken = Loose<Schemas["NewApiToken"]>;

/** Who did what, when and from where. */
export type AuditEntry = Schemas["AuditEntry"];

export type AuditPage = Schemas["AuditPage"];

/** Which entries. */
export type AuditFilter = QueryOf<"export_audit">;

/** Which entries, and which page of them. */
export type AuditQuery = QueryOf<"list_audit">;

/** Options that are `undefined` are the same as options that are not there. */
type Loose<T> = { [K in keyof T]: T[K] | (undefined extends T[K] ? undefined : never) };
