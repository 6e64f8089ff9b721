import { APIError, CodexError, ConnectionError, ProtocolError } from "./errors.js";
import type { TaskEvent } from "./events.js";
import type { Http } from "./http.js";
import { type RawEvent, SseParser } from "./sse.js";
import { abortReason, aborted, backoff, follow, sleep } from "./wait.js";
import { NotOpened, type WebSocketConstructor, messages } from "./websocket.js";

/** How the connection of a stream stands. Nothing is lost while it is away: the next one goes on where the last one broke. */
export type ConnectionState =
  | { state: "connecting" }
  | { state: "live"; transport: "sse" | "websocket" }
  | { state: "waiting"; retryIn: number; error: CodexError | null };

export interface StreamOptions {
  /** Ends the stream with an `AbortError`. */
  signal?: AbortSignal | null | undefined;
  /** The number of the last event that is known already; the stream goes on after it. */
  after?: number | undefined;
  /** `raw` gives events of Codex as lines too. */
  view?: "typed" | "raw" | undefined;
  /** `ui` sends at most every 50 ms, which is easier on batteries; `fast` every millisecond, or every 10 ms where many watch. */
  pace?: "fast" | "ui" | undefined;
  /**
   * `auto` takes server-sent events, and a WebSocket where these do not come through: nothing of them within ten seconds, or something else in their
   * place. The client then begins its next streams with what came through last.
   */
  transport?: "auto" | "sse" | "websocket" | undefined;
  /** Called when the connection comes and goes. */
  onConnection?: ((connection: ConnectionState) => void) | undefined;
}

/** What the platform offers. */
export interface StreamPlatform {
  WebSocket: WebSocketConstructor | undefined;
  /** Calls back when it may be worth looking at connections: the network is back, the page is shown again. Answers with how to stop that. */
  onWake: (look: () => void) => () => void;
  /** What came through last, for streams that may choose. */
  transport: "sse" | "websocket";
}

/** Milliseconds, all of them. */
const timing = {
  /** Without a byte for so long a connection counts as dead: the gateway sends a comment every 15 seconds. */
  silence: 45_000,
  /** The same for a WebSocket, whose pings cannot be seen. It is only opened anew. */
  socketSilence: 60_000,
  /** Without a byte for so long it is looked upon with suspicion when the machine wakes up. */
  suspicion: 16_000,
  /** How often the clock is looked at. Timers stand still while a machine sleeps, so one long timer would not do. */
  look: 5_000,
  /** The first event comes at once; where it does not, something holds it back. */
  first: 10_000,
  firstBackoff: 250,
  longestBackoff: 5_000,
};

/** How often a stream may jump at the same place before that is an error. */
const MOST_HOLES = 5;

/**
 * Follows a task over as many connections as it takes, and gives each event once, in order, several at a time. It ends after `done`, throws
 * what trying again cannot help, and `AbortError` when the caller stops it.
 */
export async function* followTask(http: Http, platform: StreamPlatform, id: string, options: StreamOptions): AsyncGenerator<TaskEvent[], void, undefined> {
  const { signal, onConnection } = options;
  const cursor = new Cursor(options.after ?? 0);
  const link = new Link(http, platform, id, options);
  let attempt = 0;
  for (;;) {
    if (signal?.aborted) throw aborted(signal);
    onConnection?.({ state: "connecting" });
    let problem: CodexError | null = null;
    try {
      for await (const raw of link.connect(cursor.last)) {
        const events = cursor.take(raw);
        // A connection that only repeats the state has not shown yet that it works.
        if (cursor.hasMoved) attempt = 0;
        if (events.length > 0) yield events;
        if (cursor.isDone) return;
        if (cursor.hole) throw cursor.hole;
      }
    } catch (error) {
      if (signal?.aborted) throw aborted(signal);
      problem = passing(error);
    }
    const least = problem instanceof APIError ? (problem.retryAfter ?? 0) : problem === null ? link.retry : 0;
    const retryIn = Math.round(least + backoff(attempt++, timing.firstBackoff, timing.longestBackoff));
    onConnection?.({ state: "waiting", retryIn, error: problem });
    await napping(retryIn, signal, platform, least > 0);
  }
}

/** An error that may be over the next time; others are thrown. */
function passing(error: unknown): CodexError {
  if (error instanceof ConnectionError) return error;
  if (error instanceof APIError && (error.status >= 500 || error.status === 429 || error.status === 408)) return error;
  throw error;
}

/** Waits, but no longer than until the machine or the network is back, unless the gateway asked for the wait. */
async function napping(milliseconds: number, signal: AbortSignal | null | undefined, platform: StreamPlatform, isAsked: boolean): Promise<void> {
  const nap = follow(signal);
  const stop = isAsked ? () => {} : platform.onWake(() => nap.abort());
  try {
    await sleep(milliseconds, nap.signal);
  } catch (error) {
    if (signal?.aborted) throw error;
  } finally {
    stop();
    nap.release();
  }
}

/** Keeps count, so that nothing comes twice and no hole goes unseen. */
class Cursor {
  last: number;
  isDone = false;
  hasMoved = false;
  /** Set when numbers are missing: the connection cannot be trusted any more, the next one goes on after `last`. */
  hole: CodexError | null = null;
  #holes = 0;

  constructor(after: number) {
    this.last = after;
  }

  take(raw: RawEvent[]): TaskEvent[] {
    const events: TaskEvent[] = [];
    this.hasMoved = false;
    this.hole = null;
    for (const { name, id, data } of raw) {
      // Names that a later gateway may add are passed over.
      if (!["status", "log", "item", "gap", "done"].includes(name)) continue;
      const event = { type: name, data: typeof data === "string" ? parse(data) : data } as TaskEvent;
      if ("data" in event && (name === "log" || name === "item" || name === "gap")) {
        const number = Number(id);
        if (id === null || !Number.isSafeInteger(number)) throw new ProtocolError(`an event ${name} came without its number`);
        if (number <= this.last) continue;
        const from = (event.data as { from?: number }).from ?? number;
        if (from > this.last + 1) {
          this.hole = this.#jump(from);
          break;
        }
        (event as { id: number }).id = number;
        this.last = number;
        this.#holes = 0;
        this.hasMoved = true;
      }
      events.push(event);
      if (name === "done") {
        this.isDone = true;
        break;
      }
    }
    return events;
  }

  #jump(from: number): CodexError {
    const message = `the stream jumps from ${this.last} to ${from}`;
    return ++this.#holes < MOST_HOLES ? new ConnectionError(message) : new ProtocolError(`${message}, however often it is asked`);
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch (cause) {
    throw new ProtocolError("an event came that is not JSON", { cause });
  }
}

/** Makes connections, one after the other, and chooses how. */
class Link {
  /** How long the gateway wants clients to wait when it ends a stream. */
  retry = 0;
  readonly #http: Http;
  readonly #platform: StreamPlatform;
  readonly #id: string;
  readonly #options: StreamOptions;
  #transport: "sse" | "websocket";
  /** What came in the place of events. Where a WebSocket does not open either, that is the end of it. */
  #refusal: CodexError | null = null;

  constructor(http: Http, platform: StreamPlatform, id: string, options: StreamOptions) {
    this.#http = http;
    this.#platform = platform;
    this.#id = id;
    this.#options = options;
    const { transport = "auto" } = options;
    this.#transport = transport === "auto" && platform.WebSocket ? platform.transport : transport === "websocket" ? "websocket" : "sse";
  }

  async *connect(after: number): AsyncGenerator<RawEvent[]> {
    const connection = follow(this.#options.signal);
    const watch = new Watch(connection, this.#platform, this.#transport);
    const { onConnection } = this.#options;
    let isLive = false;
    try {
      const source = this.#transport === "sse" ? this.#sse(after, connection.signal, watch) : this.#socket(after, connection.signal, watch);
      for await (const events of source) {
        if (!isLive) {
          onConnection?.({ state: "live", transport: this.#transport });
          if (this.#mayChoose) this.#platform.transport = this.#transport;
        }
        isLive = true;
        watch.pause();
        yield events;
        watch.touch();
      }
    } catch (error) {
      const reason: unknown = connection.signal.aborted ? abortReason(connection.signal) : error;
      if (!isLive) this.#switch(reason);
      if (reason instanceof Refused) this.#refusal = reason.answer;
      if (reason instanceof Refused && !this.#mayChoose) throw reason.answer;
      throw reason instanceof NotOpened ? await this.#why(reason) : reason;
    } finally {
      watch.stop();
      connection.abort(new ConnectionError("the connection is not needed any more"));
      connection.release();
    }
  }

  async *#sse(after: number, signal: AbortSignal, watch: Watch): AsyncGenerator<RawEvent[]> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (after > 0) headers["Last-Event-ID"] = String(after);
    const { view, pace } = this.#options;
    const response = await this.#http.open("GET", `${path(this.#id)}/stream`, { query: { view, pace }, headers, signal }).catch((error: unknown) => {
      throw isForeign(error) ? new Refused(error) : error;
    });
    const type = response.headers.get("content-type") ?? "";
    if (!type.startsWith("text/event-stream")) throw new Refused(new ProtocolError(`the stream came as ${type || "something unknown"}`));
    const reader = response.body?.getReader?.();
    if (!reader) throw new NoStreams("this platform's fetch cannot read an answer bit by bit");
    const decoder = new TextDecoder();
    const parser = new SseParser();
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throw new ConnectionError("the stream broke off", { cause });
        });
        if (done) return;
        watch.touch();
        const events = parser.push(decoder.decode(value, { stream: true }));
        this.retry = parser.retry ?? this.retry;
        if (events.length > 0) yield events;
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  }

  async *#socket(after: number, signal: AbortSignal, watch: Watch): AsyncGenerator<RawEvent[]> {
    const Socket = this.#platform.WebSocket;
    if (!Socket) throw new CodexError("this platform has no WebSocket; give one with the option `WebSocket`");
    const token = await this.#http.tokens.token();
    const { view, pace } = this.#options;
    const url = this.#http.url(`${path(this.#id)}/ws`, { after: after || undefined, view, pace }).replace(/^http/, "ws");
    const protocols = ["codex.events", ...(token ? [`bearer.${token}`] : [])];
    yield* messages(new Socket(url, protocols), signal, () => watch.touch());
  }

  get #mayChoose(): boolean {
    return (this.#options.transport ?? "auto") === "auto" && this.#platform.WebSocket !== undefined;
  }

  /** After a connection without any event: the other transport may come through where this one does not. */
  #switch(reason: unknown): void {
    const isStuck = reason instanceof NoStreams || reason instanceof HeldBack || reason instanceof Refused || reason instanceof NotOpened;
    if (!isStuck || !this.#mayChoose) return;
    this.#transport = this.#transport === "sse" ? "websocket" : "sse";
  }

  /** A WebSocket that does not open does not say why; a request for the task does, and gets a fresh token on the way. */
  async #why(notOpened: NotOpened): Promise<unknown> {
    try {
      await this.#http.json("GET", path(this.#id), { signal: this.#options.signal, maxRetries: 0 });
      return this.#refusal ?? notOpened;
    } catch (error) {
      return error;
    }
  }
}

/** Server-sent events cannot work here. */
class NoStreams extends ConnectionError {}
/** A connection that says nothing at all. */
class HeldBack extends ConnectionError {}
/** Something between here and the gateway has put its own answer in the place of events. */
class Refused extends ConnectionError {
  readonly answer: CodexError;

  constructor(answer: CodexError) {
    super(answer.message, { cause: answer });
    this.answer = answer;
  }
}

/** A refusal without the words of a gateway. Those with a 5xx are what proxies say while a gateway is away, which passes. */
const isForeign = (error: unknown): error is APIError => error instanceof APIError && error.code === "unknown" && error.status >= 400 && error.status < 500 && error.status !== 401 && error.status !== 408 && error.status !== 429;

/** Ends a connection that is silent for too long. */
class Watch {
  readonly #connection: AbortController;
  readonly #silence: number;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #forget: () => void;
  /** Since when nothing came, or `null` while the reader is busy: then nobody listens. */
  #since: number | null = Date.now();
  #isFirst = true;

  constructor(connection: AbortController, platform: StreamPlatform, transport: "sse" | "websocket") {
    this.#connection = connection;
    this.#silence = transport === "sse" ? timing.silence : timing.socketSilence;
    this.#timer = setInterval(() => this.#look(this.#isFirst ? timing.first : this.#silence), timing.look);
    this.#forget = platform.onWake(() => this.#look(timing.suspicion));
  }

  touch(): void {
    this.#isFirst = false;
    this.#since = Date.now();
  }

  pause(): void {
    this.#since = null;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#forget();
  }

  #look(most: number): void {
    if (this.#since === null || Date.now() - this.#since < most) return;
    this.#connection.abort(this.#isFirst ? new HeldBack("nothing came through") : new ConnectionError("the stream fell silent"));
  }
}

const path = (id: string) => `/api/tasks/${encodeURIComponent(id)}`;

/** The events of browsers that say that it may be worth looking at connections. Elsewhere nothing does. */
export function browserWake(look: () => void): () => void {
  const { addEventListener, removeEventListener, document } = globalThis as Partial<Window & typeof globalThis>;
  if (!addEventListener || !removeEventListener || !document) return () => {};
  const shown = () => document.visibilityState === "visible" && look();
  addEventListener("online", look);
  addEventListener("pageshow", look);
  document.addEventListener("visibilitychange", shown);
  return () => {
    removeEventListener("online", look);
    removeEventListener("pageshow", look);
    document.removeEventListener("visibilitychange", shown);
  };
}
