/** Tokens, users and the audit log, against the real gateway. */

import { afterAll, describe, expect, inject, test } from "vitest";

import { Proxy } from "../../e2e/node/proxy.js";
import {
  AbortError,
  AuthenticationError,
  type AuditEntry,
  type AuditFilter,
  CodexClient,
  ConflictError,
  ConnectionError,
  InvalidRequestError,
  NotFoundError,
  PermissionDeniedError,
  type Task,
  memoryStore,
} from "../src/index.js";

const gateway = inject("gateway");
const { email, password } = gateway;
const client = new CodexClient({ baseURL: gateway.url, auth: { email, password } });
const PASSWORD = "correct horse battery";

let people = 0;
/** Somebody new, and a client that is them. */
async function somebody(change: { role?: "admin" | "user" } = {}) {
  const address = `somebody-${Date.now()}-${people++}@example.test`;
  const user = await client.users.create({ email: address, password: PASSWORD, ...change });
  return { user, client: new CodexClient({ baseURL: gateway.url, auth: { email: address, password: PASSWORD } }) };
}

async function collect<T>(entries: AsyncIterable<T>, most = Infinity): Promise<T[]> {
  const all: T[] = [];
  for await (const entry of entries) {
    all.push(entry);
    if (all.length >= most) break;
  }
  return all;
}

describe("who one is", () => {
  test("is told, with the scopes of an API token", async () => {
    expect(await client.me()).toMatchObject({ email, role: "admin", has_password: true });
    const { secret, id } = await client.tokens.create({ name: "who am I", scopes: ["tasks:read"] });
    const program = new CodexClient({ baseURL: gateway.url, auth: { token: secret } });
    expect(await program.me()).toMatchObject({ email, scopes: ["tasks:read"] });
    await client.tokens.revoke(id);
  });

  test("and how one may become it, before there is a session", async () => {
    const stranger = new CodexClient({ baseURL: gateway.url });
    expect(await stranger.signInMethods()).toEqual({ password: true, oidc: null });
    await expect(stranger.loginWithCode("code", "verifier")).rejects.toBeInstanceOf(NotFoundError);
    expect(await stranger.isSignedIn()).toBe(false);
  });

  test("a new password ends all sessions but this one", async () => {
    const { user } = await somebody();
    const auth = { store: memoryStore() };
    const [here, there] = [new CodexClient({ baseURL: gateway.url, auth }), new CodexClient({ baseURL: gateway.url })];
    await here.login(user.email, PASSWORD);
    await there.login(user.email, PASSWORD);
    await expect(here.changePassword("not mine", "a new password")).rejects.toMatchObject({ name: "InvalidRequestError", field: "current_password" });
    await here.changePassword(PASSWORD, "a new password");
    expect(await here.me()).toMatchObject({ id: user.id });
    await expect(there.me()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(there.login(user.email, PASSWORD)).rejects.toBeInstanceOf(AuthenticationError);
    await there.login(user.email, "a new password");
  });
});

describe("API tokens", () => {
  test("are made, used, listed and revoked", async () => {
    const made = await client.tokens.create({ name: "a program", scopes: ["tasks:read"], expires_in_days: 7 });
    expect(made).toMatchObject({ name: "a program", scopes: ["tasks:read"], expired: false, secret: expect.stringMatching(/^crr_[0-9A-Za-z]{46}$/) as string });
    expect(Date.parse(made.expires_at) - Date.parse(made.created_at)).toBeCloseTo(7 * 86_400_000, -4);
    const program = new CodexClient({ baseURL: gateway.url, auth: { token: made.secret } });
    await program.tasks.list({ limit: 1 });
    await expect(program.createTask("no")).rejects.toMatchObject({ name: "PermissionDeniedError", code: "insufficient_scope" });
    await expect(program.tokens.list()).rejects.toMatchObject({ code: "session_required" });

    const listed = (await client.tokens.list()).find(({ id }) => id === made.id);
    expect(listed).toMatchObject({ name: "a program" });
    expect(listed).not.toHaveProperty("secret");
    await expect(client.tokens.create({ name: "a program", scopes: ["admin"] })).rejects.toMatchObject({ name: "ConflictError", code: "name_taken" });
    await expect(client.tokens.create({ name: "none", scopes: [] })).rejects.toBeInstanceOf(InvalidRequestError);

    await client.tokens.revoke(made.id);
    await expect(program.me()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(client.tokens.revoke(made.id)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("of others are the business of administrators", async () => {
    const { user, client: other } = await somebody();
    const { id } = await other.tokens.create({ name: "theirs", scopes: ["tasks:write"] });
    expect(await client.tokens.list({ userId: user.id })).toMatchObject([{ id, name: "theirs" }]);
    await expect(other.tokens.list({ userId: (await client.me()).id })).rejects.toBeInstanceOf(PermissionDeniedError);
    await client.tokens.revoke(id);
    expect(await other.tokens.list()).toEqual([]);
  });
});

describe("users", () => {
  test("are added, found, changed and removed", async () => {
    const { user, client: other } = await somebody();
    await other.me();
    const found = await client.users.list({ q: user.email });
    expect(found).toMatchObject({ total: 1, next_cursor: null, users: [{ id: user.id, role: "user", disabled: false }] });
    await expect(client.users.create({ email: user.email, password: PASSWORD })).rejects.toMatchObject({ code: "email_taken" });
    await expect(client.users.create({ email: "nobody" , password: PASSWORD })).rejects.toMatchObject({ field: "email" });
    await expect(other.users.list()).rejects.toBeInstanceOf(PermissionDeniedError);

    expect(await client.users.update(user.id, { role: "admin" })).toMatchObject({ role: "admin", open_tasks: 0 });
    await other.users.list();
    await client.users.update(user.id, { disabled: true });
    await expect(other.me()).rejects.toBeInstanceOf(AuthenticationError);
    await client.users.update(user.id, { disabled: false, password: "another password" });
    await new CodexClient({ baseURL: gateway.url, auth: { email: user.email, password: "another password" } }).me();

    await client.users.delete(user.id);
    await expect(client.users.get(user.id)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("all of them come once, page by page", async () => {
    const made = [await somebody(), await somebody(), await somebody()].map(({ user }) => user.id);
    const all = (await collect(client.users.all({ limit: 2 }))).map(({ id }) => id);
    expect(new Set(all).size).toBe(all.length);
    expect(all).toEqual(expect.arrayContaining(made));
  });

  test("who has open tasks stays, and the last administrator too", async () => {
    const { user, client: other } = await somebody();
    const { task_id: id } = await other.createTask("[demo:sleep 600]");
    expect(await client.users.get(user.id)).toMatchObject({ open_tasks: 1 });
    await expect(client.users.delete(user.id)).rejects.toMatchObject({ name: "ConflictError", code: "user_has_open_tasks" });
    await client.tasks.cancel(id);
    const { id: me } = await client.me();
    for (const { id } of (await client.users.list({ limit: 200 })).users) if (id !== me) await client.users.update(id, { role: "user" });
    await expect(client.users.update(me, { role: "user" })).rejects.toBeInstanceOf(ConflictError);
  });
});

describe("the audit log", () => {
  test("comes entry for entry over its pages, and is the same as a page and as an export", async () => {
    const { user, client: other } = await somebody();
    for (let count = 0; count < 5; count++) await other.tokens.create({ name: `token ${count}`, scopes: ["tasks:read"] });
    const filter: AuditFilter = { actor: user.email };
    const page = (await client.audit.list(filter)).entries;
    expect(page.map(({ action }) => action)).toEqual([...Array<string>(5).fill("api_token.create"), "auth.login"]);
    expect(page[0]).toMatchObject({ actor: user.email, user_id: user.id, target: expect.stringMatching(/^api_token:/) as string });
    expect(await collect(client.audit.all({ ...filter, limit: 2 }))).toEqual(page);
    expect(await collect(client.audit.export(filter))).toEqual(page);
    expect((await client.audit.list({ ...filter, action: "auth.login" })).entries).toHaveLength(1);
    expect((await client.audit.list({ ...filter, to: user.created_at })).entries).toEqual([]);
    await expect(collect(other.audit.all())).rejects.toBeInstanceOf(PermissionDeniedError);
    await expect(collect(client.audit.export({ from: "soon" }))).rejects.toMatchObject({ field: "from" });
    expect((await client.audit.list({ action: "audit.export", limit: 1 })).entries).toHaveLength(1);
  });

  test("entries that arrive meanwhile move nothing", async () => {
    const { user, client: other } = await somebody();
    for (let count = 0; count < 6; count++) await other.tokens.create({ name: `token ${count}`, scopes: ["tasks:read"] });
    const before = (await client.audit.list({ actor: user.email })).entries;
    const seen: AuditEntry[] = [];
    for await (const entry of client.audit.all({ actor: user.email, limit: 2 })) {
      seen.push(entry);
      await other.tokens.create({ name: `meanwhile ${seen.length}`, scopes: ["tasks:read"] });
    }
    expect(seen).toEqual(before);
  });

  test("an export that breaks off is an error, and one that is not wanted any more ends", async () => {
    const whole = (await collect(client.audit.export())).length;
    expect(whole).toBeGreaterThan(20);
    const proxy = await Proxy.start(gateway.url);
    try {
      const cut = new CodexClient({ baseURL: proxy.url, auth: { email, password } });
      await cut.me();
      proxy.cutAll();
      proxy.cutAfter = () => 2_000;
      const read: AuditEntry[] = [];
      const broken = (async () => {
        for await (const entry of cut.audit.export({}, { maxRetries: 0 })) read.push(entry);
      })();
      await expect(broken).rejects.toBeInstanceOf(ConnectionError);
      expect(read.length).toBeLessThan(whole);
    } finally {
      await proxy.stop();
    }
    expect(await collect(client.audit.export(), 1)).toHaveLength(1);
    const stop = new AbortController();
    const entries = client.audit.export({}, { signal: stop.signal });
    expect(await entries.next()).toMatchObject({ done: false });
    stop.abort();
    await expect(entries.next()).rejects.toBeInstanceOf(AbortError);
  });
});

describe("all tasks", () => {
  const made: string[] = [];
  afterAll(() => Promise.all(made.map((id) => client.tasks.cancel(id).catch(() => {}))));

  test("come once each, while new ones arrive", async () => {
    const { client: other } = await somebody();
    for (let count = 0; count < 7; count++) made.push((await other.createTask(`[demo:sleep 600] ${count}`)).task_id);
    const before = [...made].reverse();
    const seen: Task[] = [];
    for await (const task of other.tasks.all({ limit: 2 })) {
      seen.push(task);
      made.push((await other.createTask("[demo:sleep 600] meanwhile")).task_id);
    }
    expect(seen.map((task) => task.task_id)).toEqual(before);
    // With offsets the same walk shows tasks twice: that is what cursors are for.
    const first = await other.tasks.list({ limit: 2 });
    made.push((await other.createTask("[demo:sleep 600] one more")).task_id);
    const second = await other.tasks.list({ limit: 2, offset: 2 });
    expect(second.tasks[0]?.task_id).toBe(first.tasks[1]?.task_id);
    expect(await collect(other.tasks.all({ status: "completed" }))).toEqual([]);
  });
});
