import { type CodexClient, CodexError, type ConnectionState, type DoneEvent, type StatusEvent, type TaskEvent } from "@codex-remote/sdk";

import { Timeline } from "./rows";
import { Terminal } from "./terminal";

export type Connection = ConnectionState | { state: "ended" } | { state: "failed"; error: CodexError };

/** What is drawn. A new object each time something has changed; the rows and lines in it are shared. */
export interface LiveView {
  version: number;
  status: StatusEvent["data"] | null;
  done: DoneEvent["data"] | null;
  connection: Connection;
  timeline: Timeline;
  terminal: Terminal;
}

/** Events come in bursts; drawing more often than this helps nobody. In milliseconds. */
const FRAME = 50;

/** A task that is watched: follows its stream and tells listeners, at most once a frame, that there is something new. */
export class LiveTask {
  #view: LiveView;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(client: CodexClient, id: string, bufferLines: number) {
    this.#view = {
      version: 0,
      status: null,
      done: null,
      connection: { state: "connecting" },
      timeline: new Timeline(),
      terminal: new Terminal(bufferLines),
    };
    void this.#follow(client, id);
  }

  view = (): LiveView => this.#view;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Ends the stream; nothing is told any more. */
  close(): void {
    this.#listeners.clear();
    this.#stop.abort();
    if (this.#timer) clearTimeout(this.#timer);
  }

  async #follow(client: CodexClient, id: string): Promise<void> {
    const { signal } = this.#stop;
    try {
      const onConnection = (connection: ConnectionState) => this.#change({ connection });
      for await (const events of client.batches(id, { signal, pace: "ui", onConnection })) this.#add(events);
      this.#change({ connection: { state: "ended" } });
    } catch (error) {
      if (signal.aborted) return;
      const known = error instanceof CodexError ? error : new CodexError(String(error), { cause: error });
      this.#change({ connection: { state: "failed", error: known } });
    }
  }

  #add(events: TaskEvent[]): void {
    const { timeline, terminal } = this.#view;
    const change: Partial<LiveView> = {};
    for (const event of events) {
      if (event.type === "status") change.status = event.data;
      else if (event.type === "done") change.done = event.data;
      else {
        timeline.add(event);
        terminal.add(event);
      }
    }
    this.#change(change);
  }

  #change(change: Partial<LiveView>): void {
    this.#view = { ...this.#view, ...change, version: this.#view.version + 1 };
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      for (const listener of this.#listeners) listener();
    }, FRAME);
  }
}
