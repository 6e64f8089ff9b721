import { type CodexClient, CodexError, type ConnectionState, type DoneEvent, type StatusEvent, type TaskEvent } from "@codex-remote/sdk";

import { type SavedLog, sizeOfLine, sizeOfRow, tail } from "../offline/saved-log";
import type { Shelf } from "../offline/shelf";
import { connectedAgain } from "../offline/version";
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
  /** When what is drawn was kept, while it is not from the gateway. */
  savedAt: number | null;
}

/** Events come in bursts; drawing more often than this helps nobody. In milliseconds. */
const FRAME = 50;

/** A task that is watched: follows its stream and tells listeners, at most once a frame, that there is something new. */
export class LiveTask {
  #view: LiveView;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #id: string;
  readonly #bufferLines: number;
  readonly #shelf: Shelf | null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** The version of the view that was kept last. */
  #kept = 0;

  constructor(client: CodexClient, id: string, bufferLines: number, shelf: Shelf | null) {
    this.#id = id;
    this.#bufferLines = bufferLines;
    this.#shelf = shelf;
    this.#view = { ...this.#nothing(), version: 0, connection: { state: "connecting" }, savedAt: null };
    void this.#follow(client, id);
  }

  view = (): LiveView => this.#view;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Ends the stream; nothing is told any more. */
  close(): void {
    this.keep();
    this.#listeners.clear();
    this.#stop.abort();
    if (this.#timer) clearTimeout(this.#timer);
  }

  /** Keeps the end of the log for reading without a network. */
  keep(): void {
    const { version, timeline, terminal, status, done, savedAt } = this.#view;
    if (!this.#shelf || savedAt !== null || version === this.#kept || (!status && !done)) return;
    this.#kept = version;
    const lines = tail(terminal.lines, sizeOfLine);
    const dropped = terminal.dropped + terminal.lines.length - lines.length;
    const log: SavedLog = { rows: tail(timeline.rows, sizeOfRow), usage: timeline.usage, lines, dropped, status, done };
    void this.#shelf.writeTask(this.#id, "log", log);
  }

  /** What is there before anything has come. */
  #nothing() {
    return { status: null, done: null, timeline: new Timeline(), terminal: new Terminal(this.#bufferLines) };
  }

  /** Shows what was kept, until the gateway has something to say. */
  async #showSaved(): Promise<void> {
    const saved = await this.#shelf?.read<SavedLog>(`log:${this.#id}`);
    if (!saved || this.#view.status || this.#view.done) return;
    const { rows, usage, lines, dropped, status, done } = saved.value;
    const kept = this.#nothing();
    Object.assign(kept.timeline, { rows, usage });
    Object.assign(kept.terminal, { lines, dropped, problems: lines.filter(({ kind }) => kind === "bad").length });
    this.#change({ ...kept, status, done, savedAt: saved.at });
  }

  async #follow(client: CodexClient, id: string): Promise<void> {
    const { signal } = this.#stop;
    try {
      const onConnection = (connection: ConnectionState) => {
        const before = this.#view.connection.state;
        this.#change({ connection });
        if (connection.state === "live" && before === "waiting") connectedAgain();
        if (connection.state === "waiting" && this.#view.savedAt === null) void this.#showSaved();
      };
      for await (const events of client.batches(id, { signal, pace: "ui", onConnection })) this.#add(events);
      this.#change({ connection: { state: "ended" } });
      this.keep();
    } catch (error) {
      if (signal.aborted) return;
      const known = error instanceof CodexError ? error : new CodexError(String(error), { cause: error });
      this.#change({ connection: { state: "failed", error: known } });
    }
  }

  #add(events: TaskEvent[]): void {
    // The stream begins at the beginning, so what was kept comes again.
    if (this.#view.savedAt !== null) this.#view = { ...this.#view, ...this.#nothing(), savedAt: null };
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
