import { type CodexClient, CodexError, type ConnectionState, type DoneEvent, type StatusEvent, type TaskEvent } from "@codex-remote/sdk";

import { Timeline } from "./rows.js";
import { type LogKeeper, type SavedLog, sizeOfLine, sizeOfRow, tail } from "./saved-log.js";
import { Terminal } from "./terminal.js";

/** Why nobody is connected although the task goes on: nobody looks, or there is no network to connect over. */
export type PauseReason = "hidden" | "offline";

export type Connection = ConnectionState | { state: "paused"; reason: PauseReason } | { state: "ended" } | { state: "failed"; error: CodexError };

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

export interface LiveTaskOptions {
  /** How many lines of output are kept in memory. */
  bufferLines: number;
  /** Where the end of the log is kept for reading without a network; nowhere when not given. */
  keeper?: LogKeeper | null;
  /** Called when the gateway is there again after it was away: it may have been exchanged. */
  onReconnected?: () => void;
}

/** Events come in bursts; drawing more often than this helps nobody. In milliseconds. */
const FRAME = 50;

/** A task that is watched: follows its stream and tells listeners, at most once a frame, that there is something new. */
export class LiveTask {
  #view: LiveView;
  readonly #listeners = new Set<() => void>();
  readonly #client: Pick<CodexClient, "batches">;
  readonly #id: string;
  readonly #options: LiveTaskOptions;
  #stop = new AbortController();
  /** The number of the last event that is in the view, which the next connection goes on after. */
  #last = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** The version of the view that was kept last. */
  #kept = 0;

  constructor(client: Pick<CodexClient, "batches">, id: string, options: LiveTaskOptions) {
    this.#client = client;
    this.#id = id;
    this.#options = options;
    this.#view = { ...this.#nothing(), version: 0, connection: { state: "connecting" }, savedAt: null };
    void this.#follow();
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

  /** Gives the connection up until `resume`. A task that has ended stays as it is. */
  pause(reason: PauseReason): void {
    const { state } = this.#view.connection;
    if (state === "ended" || state === "failed") return;
    this.keep();
    this.#stop.abort();
    this.#change({ connection: { state: "paused", reason } });
    if (reason === "offline" && this.#view.savedAt === null) void this.#showSaved();
  }

  /** Goes on after the last event that has come, when it was paused. */
  resume(): void {
    if (this.#view.connection.state === "paused") this.#begin();
  }

  /** Tries once more what could not go on. */
  retry(): void {
    if (this.#view.connection.state === "failed") this.#begin();
  }

  /** Keeps the end of the log for reading without a network. */
  keep(): void {
    const { version, timeline, terminal, status, done, savedAt } = this.#view;
    const { keeper } = this.#options;
    if (!keeper || savedAt !== null || version === this.#kept || (!status && !done)) return;
    this.#kept = version;
    const lines = tail(terminal.lines, sizeOfLine);
    const dropped = terminal.dropped + terminal.lines.length - lines.length;
    const log: SavedLog = { rows: tail(timeline.rows, sizeOfRow), usage: timeline.usage, lines, dropped, status, done };
    void keeper.keep(this.#id, log);
  }

  #begin(): void {
    this.#stop = new AbortController();
    this.#change({ connection: { state: "connecting" } });
    void this.#follow();
  }

  /** What is there before anything has come. */
  #nothing() {
    return { status: null, done: null, timeline: new Timeline(), terminal: new Terminal(this.#options.bufferLines) };
  }

  /** Shows what was kept, until the gateway has something to say. */
  async #showSaved(): Promise<void> {
    const saved = await this.#options.keeper?.read(this.#id);
    if (!saved || this.#view.status || this.#view.done) return;
    const { rows, usage, lines, dropped, status, done } = saved.value;
    const kept = this.#nothing();
    Object.assign(kept.timeline, { rows, usage });
    Object.assign(kept.terminal, { lines, dropped, problems: lines.filter(({ kind }) => kind === "bad").length });
    this.#change({ ...kept, status, done, savedAt: saved.at });
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const onConnection = (connection: ConnectionState) => {
      if (signal.aborted) return;
      const before = this.#view.connection.state;
      this.#change({ connection });
      if (connection.state === "live" && before === "waiting") this.#options.onReconnected?.();
      if (connection.state === "waiting" && this.#view.savedAt === null) void this.#showSaved();
    };
    try {
      for await (const events of this.#client.batches(this.#id, { signal, pace: "ui", after: this.#last, onConnection })) {
        // What was under way when the connection was given up comes again with the next one.
        if (signal.aborted) return;
        this.#add(events);
      }
      this.#change({ connection: { state: "ended" } });
      this.keep();
    } catch (error) {
      if (signal.aborted) return;
      const known = error instanceof CodexError ? error : new CodexError(String(error), { cause: error });
      this.#change({ connection: { state: "failed", error: known } });
    }
  }

  #add(events: TaskEvent[]): void {
    // Nothing had come before a copy was shown, so the stream began at the beginning, and what was kept comes again.
    if (this.#view.savedAt !== null) this.#view = { ...this.#view, ...this.#nothing(), savedAt: null };
    const { timeline, terminal } = this.#view;
    const change: Partial<LiveView> = {};
    for (const event of events) {
      if (event.type === "status") change.status = event.data;
      else if (event.type === "done") change.done = event.data;
      else {
        this.#last = event.id;
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
