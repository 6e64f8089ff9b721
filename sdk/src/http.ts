import { APIError, AbortError, CodexError, ConnectionError, ProtocolError, TimeoutError, apiError } from "./errors.js";
import type { TokenSource } from "./session.js";
import { abortReason, aborted, backoff, check, follow, sleep } from "./wait.js";

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** What a call may say about itself. */
export interface CallOptions {
  /** Stops the call. */
  signal?: AbortSignal | null | undefined;
  /** Milliseconds that one attempt may take. */
  timeout?: number | undefined;
  /** How many times to try again. */
  maxRetries?: number | undefined;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export interface Call extends CallOptions {
  query?: Query | undefined;
  headers?: Record<string, string> | undefined;
  /** Sent as JSON. */
  body?: unknown;
  /** Whether the call may be sent again although nobody knows if it went through. */
  repeatable?: boolean;
  /** Whether to send a token. */
  anonymous?: boolean;
}

export interface HttpOptions {
  baseURL: string;
  fetch: Fetch;
  timeout: number;
  maxRetries: number;
}

/** A gateway that wants to be left alone for longer than this is an error, in milliseconds. */
const LONGEST_WAIT = 60_000;
const FIRST_BACKOFF = 250;
const LONGEST_BACKOFF = 8_000;

/** Sends requests with a token, again where that helps. */
export class Http {
  readonly options: HttpOptions;
  readonly tokens: TokenSource;

  constructor(options: HttpOptions, tokens: (http: Http) => TokenSource) {
    this.options = options;
    this.tokens = tokens(this);
  }

  url(path: string, query: Query = {}): string {
    const set = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const text = set.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join("&");
    return this.options.baseURL + path + (text && `?${text}`);
  }

  /** An answer as JSON. */
  json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    return this.send(method, path, call, async (response) => {
      if (response.status === 204) return undefined as T;
      const text = await response.text();
      try {
        return JSON.parse(text) as T;
      } catch (cause) {
        const message = `${method} ${path} was answered with something that is not JSON; is there a gateway at ${this.options.baseURL}?`;
        throw new ProtocolError(message, { cause });
      }
    });
  }

  /** Sends a request until it is answered, and reads the answer with `read`, which counts as a part of the attempt. */
  send<T>(method: string, path: string, call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    return this.#again(method, call, async () => {
      const watch = this.#watch(method, path, call);
      try {
        return await read(await this.open(method, path, { ...call, signal: watch.signal }));
      } catch (error) {
        throw this.#named(error, watch.signal, call.signal);
      } finally {
        watch.stop();
      }
    });
  }

  /** The lines of an answer, as they come. `timeout` is how long the next ones may take. */
  async *lines(path: string, call: Call): AsyncGenerator<string, void, undefined> {
    const { watch, response } = await this.#again("GET", call, async () => {
      const watch = this.#watch("GET", path, call);
      try {
        return { watch, response: await this.open("GET", path, { ...call, signal: watch.signal }) };
      } catch (error) {
        watch.stop();
        throw this.#named(error, watch.signal, call.signal);
      }
    });
    let rest = "";
    const split = (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      return lines.filter(Boolean);
    };
    // React Native gives the body only as a whole.
    const reader = (response.body as Partial<ReadableStream<Uint8Array>> | null | undefined)?.getReader?.();
    const decoder = new TextDecoder();
    try {
      for (let done = false; !done; ) {
        watch.restart();
        const part = reader ? await reader.read() : { done: true, value: undefined };
        done = part.done;
        const text = reader ? decoder.decode(part.value, { stream: !done }) : await response.text();
        // Whoever reads may take their time.
        watch.pause();
        for (const line of split(done ? `${text}\n` : text)) {
          check(call.signal);
          yield line;
        }
      }
    } catch (error) {
      throw this.#named(error, watch.signal, call.signal);
    } finally {
      watch.stop();
      reader?.cancel().catch(() => {});
    }
  }

  async #again<T>(method: string, call: Call, attempt: () => Promise<T>): Promise<T> {
    const retries = call.maxRetries ?? this.options.maxRetries;
    const repeatable = call.repeatable ?? (method === "GET" || method === "DELETE");
    for (let count = 0; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        check(call.signal);
        const wait = count < retries ? waitAfter(error, count, repeatable) : null;
        if (wait === null) throw error;
        await sleep(wait, call.signal);
      }
    }
  }

  /** A signal that follows the caller's, and is aborted when too much time passes. */
  #watch(method: string, path: string, call: Call) {
    const limit = call.timeout ?? this.options.timeout;
    const controller = follow(call.signal);
    let timer: ReturnType<typeof setTimeout>;
    const pause = () => clearTimeout(timer);
    const restart = () => {
      clearTimeout(timer);
      timer = setTimeout(() => controller.abort(new TimeoutError(`${method} ${path} was not answered within ${limit} ms`)), limit);
    };
    const stop = () => {
      pause();
      controller.release();
    };
    restart();
    return { signal: controller.signal, restart, pause, stop };
  }

  /** One request, and a second one where the token was stale. Its signal stays in charge while the body is read. */
  async open(method: string, path: string, call: Call): Promise<Response> {
    const url = this.url(path, call.query);
    const send = async (token: string | null) => {
      const headers: Record<string, string> = { Accept: "application/json", ...call.headers };
      if (token) headers["Authorization"] = `Bearer ${token}`;
      const init: RequestInit = { method, headers, signal: call.signal ?? null, cache: "no-store", credentials: "omit" };
      if (call.body !== undefined) {
        headers["Content-Type"] = "application/json";
        init.body = JSON.stringify(call.body);
      }
      try {
        return await this.options.fetch(url, init);
      } catch (error) {
        throw this.#named(error, call.signal, null);
      }
    };
    const token = call.anonymous ? null : await this.tokens.token();
    check(call.signal);
    let response = await send(token);
    if (response.status === 401 && !call.anonymous) {
      const next = await this.tokens.renew(token);
      check(call.signal);
      if (next) {
        await response.body?.cancel().catch(() => {});
        response = await send(next);
      }
    }
    if (!response.ok) throw await apiError(response);
    return response;
  }

  /** What went wrong, in the words of this package: `fetch` says little, and each platform says it differently. */
  #named(error: unknown, signal: AbortSignal | null | undefined, outer: AbortSignal | null | undefined): CodexError {
    if (outer?.aborted) return aborted(outer);
    if (signal?.aborted) {
      const reason = abortReason(signal);
      return reason instanceof CodexError ? reason : aborted(signal);
    }
    if (error instanceof CodexError) return error;
    const reason = reasonOf(error);
    return new ConnectionError(`the gateway at ${this.options.baseURL} cannot be reached${reason && `: ${reason}`}`, { cause: error });
  }
}

/** Node puts what really happened into the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** How long to wait before the next attempt, or `null` when there should be none. */
export function waitAfter(error: unknown, attempt: number, repeatable: boolean): number | null {
  const wait = backoff(attempt, FIRST_BACKOFF, LONGEST_BACKOFF);
  if (error instanceof AbortError) return null;
  if (error instanceof ConnectionError) return repeatable ? wait : null;
  if (!(error instanceof APIError)) return null;
  // A refusal with these words comes before anything is done; the other ones may come from a proxy that lost the answer.
  const isRefusal = error.status === 429 || error.status === 503;
  const isPassing = isRefusal || error.status === 408 || error.status === 502 || error.status === 504;
  if (!isPassing || !(isRefusal || repeatable)) return null;
  if (error.retryAfter === null) return wait;
  // The jitter comes on top: clients that were refused together should not come back together.
  return error.retryAfter <= LONGEST_WAIT ? error.retryAfter + wait : null;
}
