import type { CodexEvent, ConnectionState, StreamOptions, TaskEvent } from "@codex-remote/sdk";
import { AbortError } from "@codex-remote/sdk";

import { type LogKeeper, type Saved, type SavedLog, merged } from "../src/index.js";

const ts = "2026-01-01T00:00:00Z";

export const log = (id: number, line = `line ${id}`): TaskEvent => ({ type: "log", id, data: { line, ts, stream: "stdout" } });
export const item = (id: number, data: CodexEvent): TaskEvent => ({ type: "item", id, data: { ts, ...data } });
export const status = (state: "queued" | "running" | "completed"): TaskEvent => ({ type: "status", data: { state, ts } });
export const done: TaskEvent = { type: "done", data: { state: "completed", exit_code: 0 } };

/** One connection after the other, each held by the test: it says what comes over it, and when it breaks. */
export class FakeGateway {
  /** What each stream was asked for. */
  readonly asked: StreamOptions[] = [];
  #push: ((events: TaskEvent[] | "end" | Error) => void) | null = null;

  /** Has the shape of the SDK's method: an iterator that ends with an `AbortError` when the caller stops it. */
  async *batches(_id: string, options: StreamOptions = {}): AsyncGenerator<TaskEvent[], void, undefined> {
    this.asked.push(options);
    const waiting: (TaskEvent[] | "end" | Error)[] = [];
    let wake = () => {};
    this.#push = (events) => {
      waiting.push(events);
      wake();
    };
    options.signal?.addEventListener("abort", () => wake());
    for (;;) {
      if (options.signal?.aborted) throw new AbortError("stopped by the caller");
      const next = waiting.shift();
      if (next === "end") return;
      if (next instanceof Error) throw next;
      if (next) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  send(...events: TaskEvent[]): void {
    this.#push?.(events);
  }

  end(): void {
    this.#push?.("end");
  }

  fail(error: Error): void {
    this.#push?.(error);
  }

  connection(connection: ConnectionState): void {
    this.asked.at(-1)?.onConnection?.(connection);
  }
}

export class MemoryKeeper implements LogKeeper {
  readonly kept = new Map<string, Saved<SavedLog>>();

  async read(id: string): Promise<Saved<SavedLog> | null> {
    return this.kept.get(id) ?? null;
  }

  async keep(id: string, log: SavedLog): Promise<void> {
    this.kept.set(id, { at: 1, value: merged(this.kept.get(id)?.value ?? null, log) });
  }
}
