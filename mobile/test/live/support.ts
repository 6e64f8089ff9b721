import type { CodexEvent, ConnectionState, StreamOptions, TaskEvent } from "@codex-remote/sdk";
import { AbortError } from "@codex-remote/sdk";

const ts = "2026-01-01T00:00:00Z";

export const log = (id: number, line = `line ${id}`): TaskEvent => ({ type: "log", id, data: { line, ts, stream: "stdout" } });
export const item = (id: number, data: CodexEvent): TaskEvent => ({ type: "item", id, data: { ts, ...data } });
export const status = (state: "queued" | "running" | "completed"): TaskEvent => ({ type: "status", data: { state, ts } });
export const done: TaskEvent = { type: "done", data: { state: "completed", exit_code: 0 } };

/** A stream that the test holds: it says what comes, and sees what was asked for. */
export class FakeGateway {
  readonly asked: StreamOptions[] = [];
  #push: ((events: TaskEvent[] | "end") => void) | null = null;

  batches = (_id: string, options: StreamOptions = {}): AsyncGenerator<TaskEvent[], void, undefined> => {
    this.asked.push(options);
    return this.#stream(options);
  };

  async *#stream({ signal }: StreamOptions): AsyncGenerator<TaskEvent[], void, undefined> {
    const waiting: (TaskEvent[] | "end")[] = [];
    let wake = () => {};
    this.#push = (events) => {
      waiting.push(events);
      wake();
    };
    signal?.addEventListener("abort", () => wake());
    for (;;) {
      if (signal?.aborted) throw new AbortError("stopped by the caller");
      const next = waiting.shift();
      if (next === "end") return;
      if (next) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  get isConnected(): boolean {
    return this.asked.at(-1)?.signal?.aborted === false;
  }

  send(...events: TaskEvent[]): void {
    this.#push?.(events);
  }

  end(): void {
    this.#push?.("end");
  }

  connection(connection: ConnectionState): void {
    this.asked.at(-1)?.onConnection?.(connection);
  }
}
