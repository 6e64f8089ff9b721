import { APIError, AbortError, CodexError, ConnectionError, ProtocolError, TimeoutError, apiError } from "./errors.js";
import type { TokenSource } from "./session.js";
import { aborted, backoff, check, follow, sleep } from "./wait.js";

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
  async send<T>(method: string, path: string, call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    const retries = call.maxRetries ?? this.options.maxRetries;
    const repeatable = call.repeatable ?? (method === "GET" || method === "DELETE");
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(method, path, call, read);
      } catch (error) {
        check(call.signal);
        const wait = attempt < retries ? waitAfter(error, attempt, repeatable) : null;
        if (wait === null) throw error;
        await sleep(wait, call.signal);
      }
    }
  }

  async #attempt<T>(method: string, path: string, call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    const limit = call.timeout ?? this.options.timeout;
    const controller = follow(call.signal);
    const timer = setTimeout(() => controller.abort(new TimeoutError(`${method} ${path} was not answered within ${limit} ms`)), limit);
    try {
      return await read(await this.open(method, path, { ...call, signal: controller.signal }));
    } catch (error) {
      throw this.#named(error, controller.signal, call.signal);
    } finally {
      clearTimeout(timer);
      controller.release();
    }
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
    if (signal?.aborted) return signal.reason instanceof CodexError ? signal.reason : aborted(signal);
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
