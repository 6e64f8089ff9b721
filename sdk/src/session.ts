import { APIError, AuthenticationError, ConnectionError } from "./errors.js";

/** What the gateway answers to a login. */
export interface TokenGrant {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

/** The tokens of a session, as they are stored. */
export interface Tokens {
  accessToken: string;
  refreshToken: string;
  /** From when on to get new ones: Unix time in milliseconds by the clock of this machine, a while before the access token ends. */
  renewAt: number;
}

/** Where tokens are kept between starts. */
export interface TokenStore {
  load(): Tokens | null | Promise<Tokens | null>;
  /** `null` means signed out. */
  save(tokens: Tokens | null): void | Promise<void>;
}

/** Runs `work` while nobody else does who shares the store, for example another tab. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>;

export interface Credentials {
  email: string;
  password: string;
}

/** How requests get their token. */
export interface TokenSource {
  /** The token to send; `null` sends none. */
  token(): Promise<string | null>;
  /** Called when the gateway refused `token`. Answers with another one, or `null` when there is none. */
  renew(token: string | null): Promise<string | null>;
}

/** A token that stays as it is, or that somebody else looks after. */
export class GivenToken implements TokenSource {
  readonly #given: string | (() => string | Promise<string>);

  constructor(given: string | (() => string | Promise<string>)) {
    this.#given = given;
  }

  async token(): Promise<string> {
    return typeof this.#given === "string" ? this.#given : await this.#given();
  }

  async renew(token: string | null): Promise<string | null> {
    const next = await this.token();
    return next === token ? null : next;
  }
}

/** A part of the life of a token that is left when it is exchanged, and the most of it in milliseconds. */
const MARGIN = 0.2;
const LONGEST_MARGIN = 60_000;

/** What the session asks the gateway for. */
export interface Exchange {
  login(credentials: Credentials): Promise<TokenGrant>;
  refresh(refreshToken: string): Promise<TokenGrant>;
}

export interface SessionOptions {
  store?: TokenStore;
  credentials?: Credentials;
  lock?: Lock;
  /** Called when the session is over and nobody asked for it. */
  onSignedOut?: () => void;
}

/**
 * A login, kept alive. A refresh token is good for one exchange only: whoever presents it a second time ends the session. So requests
 * that find the access token stale share one exchange, and clients that share a store exchange one after the other.
 */
export class Session implements TokenSource {
  readonly #exchange: Exchange;
  readonly #store: TokenStore;
  readonly #lock: Lock;
  readonly #credentials: Credentials | undefined;
  readonly #onSignedOut: (() => void) | undefined;
  #renewing: Promise<string | null> | null = null;

  constructor(exchange: Exchange, options: SessionOptions) {
    this.#exchange = exchange;
    this.#store = options.store ?? memoryStore();
    this.#lock = options.lock ?? webLock;
    this.#credentials = options.credentials;
    this.#onSignedOut = options.onSignedOut;
  }

  async login(credentials: Credentials): Promise<void> {
    await this.adopt(await this.#exchange.login(credentials));
  }

  /** Gives the session up for the one that `exchange` brings. Nobody renews the old one meanwhile, which would find it ended. */
  async replace(exchange: (token: string | null) => Promise<TokenGrant>): Promise<void> {
    const token = await this.token();
    await this.#lock(async () => this.#store.save(tokensOf(await exchange(token))));
  }

  /** Goes on with tokens that came another way. */
  async adopt(grant: TokenGrant): Promise<void> {
    await this.#lock(async () => this.#store.save(tokensOf(grant)));
  }

  /** Forgets the tokens, and answers with the refresh token that is to be revoked. */
  async forget(): Promise<string | null> {
    return this.#lock(async () => {
      const tokens = await this.#store.load();
      await this.#store.save(null);
      return tokens?.refreshToken ?? null;
    });
  }

  /** Whether there are tokens. They may turn out to be good no more. */
  async isSignedIn(): Promise<boolean> {
    return (await this.#store.load()) !== null;
  }

  async token(): Promise<string | null> {
    const tokens = await this.#store.load();
    if (tokens && Date.now() < tokens.renewAt) return tokens.accessToken;
    if (!tokens) return this.#credentials ? this.renew(null) : null;
    try {
      return await this.renew(tokens.accessToken);
    } catch (error) {
      // The old one has some life left; if not, the gateway says so.
      if (error instanceof AuthenticationError) throw error;
      return tokens.accessToken;
    }
  }

  renew(token: string | null): Promise<string | null> {
    this.#renewing ??= this.#lock(() => this.#renew(token)).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #renew(token: string | null): Promise<string | null> {
    const tokens = await this.#store.load();
    // Somebody else was here first, for example another tab.
    if (tokens && tokens.accessToken !== token) return tokens.accessToken;
    try {
      if (tokens) return await this.#keep(await this.#exchange.refresh(tokens.refreshToken));
    } catch (error) {
      if (!isRefused(error)) throw error;
      if (!this.#credentials) {
        await this.#store.save(null);
        this.#onSignedOut?.();
        throw error;
      }
    }
    if (!this.#credentials) return null;
    return this.#keep(await this.#exchange.login(this.#credentials));
  }

  async #keep(grant: TokenGrant): Promise<string> {
    await this.#store.save(tokensOf(grant));
    return grant.access_token;
  }
}

/** A refusal ends the session; a gateway that is away or busy does not. */
function isRefused(error: unknown): boolean {
  return error instanceof APIError && error.status < 500 && error.status !== 429 && !(error instanceof ConnectionError);
}

function tokensOf(grant: TokenGrant): Tokens {
  const life = grant.expires_in * 1000;
  return {
    accessToken: grant.access_token,
    refreshToken: grant.refresh_token,
    renewAt: Date.now() + life - Math.min(LONGEST_MARGIN, life * MARGIN),
  };
}

/** Keeps tokens until the program ends. */
export function memoryStore(): TokenStore {
  let kept: Tokens | null = null;
  return {
    load: () => kept,
    save: (tokens) => {
      kept = tokens;
    },
  };
}

/** Keeps tokens in `localStorage`, `sessionStorage`, or anything that is used like them. */
export function webStore(storage: Pick<Storage, "getItem" | "setItem" | "removeItem">, key = "codex-remote.session"): TokenStore {
  return {
    load: () => {
      try {
        return JSON.parse(storage.getItem(key) ?? "null") as Tokens | null;
      } catch {
        return null;
      }
    },
    save: (tokens) => (tokens ? storage.setItem(key, JSON.stringify(tokens)) : storage.removeItem(key)),
  };
}

/** Tabs of one origin take turns where the browser has locks; elsewhere a store has one client. */
const webLock: Lock = (work) => {
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  return locks ? (locks.request("codex-remote.session", work) as ReturnType<typeof work>) : work();
};
