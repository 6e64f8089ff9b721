import type { CallOptions, Http } from "./http.js";
import { byCursor } from "./pages.js";
import type { NewTask, Repository, Task, TaskFilter, TaskPage, TaskQuery, TaskReceipt } from "./types.js";

/** What a task changed. */
export interface Patch {
  /** For `git apply` in the root of the repository. */
  patch: string;
  /** Whether files are missing because there was too much. */
  truncated: boolean;
}

export interface CreateOptions extends CallOptions {
  /** Requests with the same key make one task. Without one each call makes a key of its own, so that a call can be sent again safely. */
  idempotencyKey?: string | undefined;
}

export interface LogOptions extends CallOptions {
  /** `ndjson` gives one JSON object for each line or event, with its number. */
  format?: "text" | "ndjson" | undefined;
  /** Only what comes after the frame with this number. */
  after?: number | undefined;
  /** Only so many of the last lines and events. */
  tail?: number | undefined;
}

export class Tasks {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  create(task: NewTask, { idempotencyKey = randomKey(), ...call }: CreateOptions = {}): Promise<TaskReceipt> {
    const headers = { "Idempotency-Key": idempotencyKey };
    return this.#http.json("POST", "/api/tasks", { ...call, headers, body: task, repeatable: true });
  }

  /** One page, newest first. `next_cursor`, given as `cursor`, leads to the next, whatever has arrived meanwhile. */
  list(query: TaskQuery = {}, call: CallOptions = {}): Promise<TaskPage> {
    return this.#http.json("GET", "/api/tasks", { ...call, query: { ...query } });
  }

  /** Task for task, newest first; pages are asked for as they are needed. Each task that was there at the beginning comes once. */
  async *all(query: TaskFilter = {}, call: CallOptions = {}): AsyncGenerator<Task, void, undefined> {
    for await (const page of byCursor((cursor) => this.list({ ...query, cursor }, call))) yield* page.tasks;
  }

  get(id: string, call: CallOptions = {}): Promise<Task> {
    return this.#http.json("GET", task(id), call);
  }

  /** Asks for the end of a task. One that has ended already is a `ConflictError`. */
  cancel(id: string, call: CallOptions = {}): Promise<TaskReceipt> {
    return this.#http.json("DELETE", task(id), call);
  }

  /** The log up to now. */
  log(id: string, { format, after, tail, ...call }: LogOptions = {}): Promise<string> {
    const query = { format, after, tail };
    return this.#http.send("GET", `${task(id)}/log`, { timeout: LONG, ...call, query }, (response) => response.text());
  }

  /** What the task changed. `NotFoundError` while it runs, and when it changed nothing. */
  patch(id: string, call: CallOptions = {}): Promise<Patch> {
    return this.#http.send("GET", `${task(id)}/patch`, { timeout: LONG, ...call }, async (response) => ({
      patch: await response.text(),
      truncated: response.headers.get("x-codex-patch-truncated") === "true",
    }));
  }
}

export class Repositories {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** What `cwd` may be. */
  async list(call: CallOptions = {}): Promise<Repository[]> {
    const { repositories } = await this.#http.json<{ repositories: Repository[] }>("GET", "/api/repositories", call);
    return repositories;
  }
}

/** Logs may be long; what comes is counted as one attempt. In milliseconds. */
const LONG = 300_000;

const task = (id: string) => `/api/tasks/${encodeURIComponent(id)}`;

/** Pages that do not come over HTTPS, and React Native, have no `randomUUID`. The key only has to be new. */
function randomKey(): string {
  const random = () => Math.random().toString(36).slice(2);
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${random()}${random()}`;
}
