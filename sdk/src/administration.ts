import type { CallOptions, Http } from "./http.js";
import { byCursor } from "./pages.js";
import type {
  ApiToken,
  ApiTokenWithSecret,
  AuditEntry,
  AuditFilter,
  AuditPage,
  AuditQuery,
  NewApiToken,
  NewUser,
  User,
  UserChange,
  UserDetails,
  UserPage,
  UserQuery,
} from "./types.js";

/** Tokens for programs. They cannot be used to make or see tokens themselves. */
export class ApiTokens {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Your own, newest first, expired ones too. Administrators may name whose instead. */
  async list({ userId, ...call }: CallOptions & { userId?: string | undefined } = {}): Promise<ApiToken[]> {
    const { tokens } = await this.#http.json<{ tokens: ApiToken[] }>("GET", "/api/tokens", { ...call, query: { user_id: userId } });
    return tokens;
  }

  /** Makes one. `secret` is in this answer and in no other. */
  create(token: NewApiToken, call: CallOptions = {}): Promise<ApiTokenWithSecret> {
    return this.#http.json("POST", "/api/tokens", { ...call, body: token });
  }

  /** Ends one, and the streams that were opened with it. */
  revoke(id: string, call: CallOptions = {}): Promise<void> {
    return this.#http.json("DELETE", `/api/tokens/${encodeURIComponent(id)}`, call);
  }
}

/** People. For administrators. */
export class Users {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** One page, by address. `next_cursor` leads to the next. */
  list(query: UserQuery = {}, call: CallOptions = {}): Promise<UserPage> {
    return this.#http.json("GET", "/api/users", { ...call, query: { ...query } });
  }

  /** One after the other, by address; pages are asked for as they are needed. */
  async *all(query: Omit<UserQuery, "cursor" | "offset"> = {}, call: CallOptions = {}): AsyncGenerator<User, void, undefined> {
    for await (const page of byCursor((cursor) => this.list({ ...query, cursor }, call))) yield* page.users;
  }

  get(id: string, call: CallOptions = {}): Promise<UserDetails> {
    return this.#http.json("GET", user(id), call);
  }

  /** Adds somebody; without a password for people who sign in with the identity provider. */
  create(body: NewUser, call: CallOptions = {}): Promise<User> {
    return this.#http.json("POST", "/api/users", { ...call, body });
  }

  /** Disabling ends sessions, API tokens and streams, and a new password ends sessions. Tasks go on: `open_tasks` says how many. */
  update(id: string, body: UserChange, call: CallOptions = {}): Promise<UserDetails> {
    return this.#http.json("PATCH", user(id), { ...call, body, repeatable: true });
  }

  /** Removes somebody who has no open tasks; otherwise this is a `ConflictError`. */
  delete(id: string, call: CallOptions = {}): Promise<void> {
    return this.#http.json("DELETE", user(id), call);
  }
}

/** Who did what. For administrators. */
export class Audit {
  readonly #http: Http;

  constructor(http: Http) {
    this.#http = http;
  }

  /** One page, newest first. `next_cursor` leads to the next. */
  list(query: AuditQuery = {}, call: CallOptions = {}): Promise<AuditPage> {
    return this.#http.json("GET", "/api/audit", { ...call, query: { ...query } });
  }

  /** Entry for entry, newest first; pages are asked for as they are needed. */
  async *all(query: Omit<AuditQuery, "cursor"> = {}, call: CallOptions = {}): AsyncGenerator<AuditEntry, void, undefined> {
    for await (const page of byCursor((cursor) => this.list({ ...query, cursor }, call))) yield* page.entries;
  }

  /** The same in one answer, for taking the log away. That is put on record itself. An export that breaks off is a `ConnectionError`. */
  async *export(query: AuditFilter = {}, call: CallOptions = {}): AsyncGenerator<AuditEntry, void, undefined> {
    for await (const line of this.#http.lines("/api/audit/export", { ...call, query: { ...query } })) yield JSON.parse(line) as AuditEntry;
  }
}

const user = (id: string) => `/api/users/${encodeURIComponent(id)}`;
