import { ApiTokens, Audit, Users } from "./administration.js";
import { AbortError, CodexError } from "./errors.js";
import type { DoneEvent, GapEvent, ItemEvent, LogEvent, StatusEvent, TaskEvent } from "./events.js";
import { type Call, type CallOptions, type Fetch, Http } from "./http.js";
import { type CreateOptions, Repositories, Tasks } from "./resources.js";
import { type Credentials, GivenToken, type Lock, Session, type TokenGrant, type TokenStore } from "./session.js";
import { type StreamOptions, type StreamPlatform, browserWake, followTask } from "./stream.js";
import type { Me, NewTask, SignedOut, SignInMethods, TaskReceipt } from "./types.js";
import type { WebSocketConstructor } from "./websocket.js";

/**
 * Who calls: an API token (or a function that has one), an email address with its password, or a session that is kept in a store and that
 * `login` begins.
 */
export type Auth =
  | { token: string | (() => string | Promise<string>) }
  | (Credentials & { store?: TokenStore; lock?: Lock })
  | { store?: TokenStore; lock?: Lock; onSignedOut?: () => void };

export interface ClientOptions {
  /** Where the gateway is, for example `https://codex.example.com`. */
  baseURL: string;
  auth?: Auth;
  /** Milliseconds that one attempt of a call may take; 30,000 when not given. Streams have no limit. */
  timeout?: number;
  /** How many times a call is sent again when that can help; 3 when not given. Streams never give up. */
  maxRetries?: number;
  /** In place of the platform's own, for example that of `expo/fetch`. */
  fetch?: Fetch;
  /** In place of the platform's own; Node before 22 has none. */
  WebSocket?: WebSocketConstructor;
  /** Calls back when connections may have died or come back, and answers with how to stop that. Browsers need none; React Native has `AppState`. */
  onWake?: (look: () => void) => () => void;
}

export interface StreamHandlers {
  onStatus?: (data: StatusEvent["data"]) => void;
  onLog?: (data: LogEvent["data"], id: number) => void;
  onItem?: (data: ItemEvent["data"], id: number) => void;
  onGap?: (data: GapEvent["data"], id: number) => void;
  onDone?: (data: DoneEvent["data"]) => void;
  /** Called once, when the stream cannot go on. Connections that break are not errors: they are made again. */
  onError?: (error: CodexError) => void;
}

/** Talks to a gateway. */
export class CodexClient {
  readonly tasks: Tasks;
  readonly repositories: Repositories;
  readonly tokens: ApiTokens;
  readonly users: Users;
  readonly audit: Audit;
  readonly #http: Http;
  readonly #session: Session | null;
  readonly #platform: StreamPlatform;

  constructor(options: ClientOptions) {
    const { auth = {}, WebSocket: Socket = globalThis.WebSocket, onWake = browserWake } = options;
    const http = {
      baseURL: options.baseURL.replace(/\/+$/, ""),
      // A browser's own wants to be called on the window.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeout: options.timeout ?? 30_000,
      maxRetries: options.maxRetries ?? 3,
    };
    let session: Session | null = null;
    this.#http = new Http(http, (http) => {
      if ("token" in auth) return new GivenToken(auth.token);
      session = new Session(exchangeWith(http), "email" in auth ? { ...auth, credentials: auth } : auth);
      return session;
    });
    this.#session = session;
    this.#platform = { WebSocket: Socket, onWake, transport: "sse" };
    this.tasks = new Tasks(this.#http);
    this.repositories = new Repositories(this.#http);
    this.tokens = new ApiTokens(this.#http);
    this.users = new Users(this.#http);
    this.audit = new Audit(this.#http);
  }

  /** Begins a session. */
  async login(email: string, password: string): Promise<void> {
    await this.#needSession().login({ email, password });
  }

  /** The ways to sign in. Needs no session. */
  signInMethods(call: CallOptions = {}): Promise<SignInMethods> {
    return this.#http.json("GET", "/auth/methods", { ...call, anonymous: true });
  }

  /**
   * Begins a session with what a sign-in at the identity provider has left in the address: its `code`, and the secret whose SHA-256 the sign-in
   * was begun with (`verifier`).
   */
  async loginWithCode(code: string, verifier: string, call: CallOptions = {}): Promise<void> {
    const session = this.#needSession();
    // The code is good for one try, whatever becomes of the answer.
    const exchange = { ...call, body: { code, verifier }, anonymous: true, repeatable: false };
    await session.adopt(await this.#http.json<TokenGrant>("POST", "/auth/oidc/exchange", exchange));
  }

  /** Changes your password. That ends all your sessions; this client goes on with a new one. */
  async changePassword(currentPassword: string, newPassword: string, call: CallOptions = {}): Promise<void> {
    const body = { current_password: currentPassword, new_password: newPassword };
    await this.#needSession().replace((token) => {
      const headers = { Authorization: `Bearer ${token}` };
      return this.#http.json("POST", "/api/me/password", { ...call, body, headers, anonymous: true, repeatable: false });
    });
  }

  /** Who you are. */
  me(call: CallOptions = {}): Promise<Me> {
    return this.#http.json("GET", "/api/me", call);
  }

  /**
   * Ends the session, here and at the gateway. It is over here even when the gateway cannot be told. Answers with the address at which a browser ends
   * its session with the identity provider too, where it signed in at one that has such an address.
   */
  async logout(call: CallOptions = {}): Promise<string | null> {
    const token = await this.#needSession().forget();
    if (!token) return null;
    const told = { ...call, body: { refresh_token: token }, anonymous: true, repeatable: true };
    const answer = await this.#http.json<SignedOut | undefined>("POST", "/auth/logout", told);
    return answer?.end_session_url ?? null;
  }

  /** Whether there is a session in the store. The gateway may have ended it. */
  async isSignedIn(): Promise<boolean> {
    return this.#session === null || this.#session.isSignedIn();
  }

  /** Submits a task. Once this is answered, the task is on record and will run. */
  createTask(prompt: string, { signal, timeout, maxRetries, idempotencyKey, ...task }: Omit<NewTask, "prompt"> & CreateOptions = {}): Promise<TaskReceipt> {
    return this.tasks.create({ prompt, ...task }, { signal, timeout, maxRetries, ...(idempotencyKey && { idempotencyKey }) });
  }

  /**
   * Watches a task until its end. Each event comes once and in order, over as many connections as it takes. Settles with what `onDone` gets;
   * without `onError` it is rejected where the stream cannot go on, with it the answer is `null` then.
   */
  async streamTask(id: string, handlers: StreamHandlers = {}, options: StreamOptions = {}): Promise<DoneEvent["data"] | null> {
    try {
      for await (const event of this.events(id, options)) {
        if (options.signal?.aborted) break;
        tell(handlers, event);
        if (event.type === "done") return event.data;
      }
      throw new AbortError("stopped by the caller", { cause: options.signal?.reason });
    } catch (error) {
      if (!handlers.onError || !(error instanceof CodexError)) throw error;
      if (!(error instanceof AbortError)) handlers.onError(error);
      return null;
    }
  }

  /** The same as an async iterator. Leaving the loop ends the connection. */
  async *events(id: string, options: StreamOptions = {}): AsyncGenerator<TaskEvent, void, undefined> {
    for await (const events of this.batches(id, options)) yield* events;
  }

  /** The same, as many events at a time as came together: what draws them can do so once. */
  batches(id: string, options: StreamOptions = {}): AsyncGenerator<TaskEvent[], void, undefined> {
    return followTask(this.#http, this.#platform, id, options);
  }

  /** Any other request, with token, retries and errors like all calls. */
  request<T = unknown>(method: string, path: string, call: Call = {}): Promise<T> {
    return this.#http.json<T>(method, path, call);
  }

  #needSession(): Session {
    if (!this.#session) throw new CodexError("this client has a token of its own; there is no session to begin or end");
    return this.#session;
  }
}

function exchangeWith(http: Http) {
  // A refresh token is spent with its first use, so a lost answer must not be asked for again.
  const post = (path: string, body: unknown) => http.json<TokenGrant>("POST", path, { body, anonymous: true, repeatable: false });
  return {
    login: ({ email, password }: Credentials) => post("/auth/login", { email, password }),
    refresh: (refreshToken: string) => post("/auth/refresh", { refresh_token: refreshToken }),
  };
}

function tell(handlers: StreamHandlers, event: TaskEvent): void {
  switch (event.type) {
    case "status":
      return handlers.onStatus?.(event.data);
    case "log":
      return handlers.onLog?.(event.data, event.id);
    case "item":
      return handlers.onItem?.(event.data, event.id);
    case "gap":
      return handlers.onGap?.(event.data, event.id);
    case "done":
      return handlers.onDone?.(event.data);
  }
}
