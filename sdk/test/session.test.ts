import { expect, test, vi } from "vitest";

import { type APIError, AuthenticationError, ConnectionError, ServerError } from "../src/errors.js";
import { type Exchange, Session, type Tokens, memoryStore, webStore } from "../src/session.js";

const refused = () => new AuthenticationError(401, { code: "unauthenticated", message: "", requestId: null, details: null, retryAfter: null });
const busy = () => new ServerError(503, { code: "unavailable", message: "", requestId: null, details: null, retryAfter: null });

/** A gateway that takes each refresh token once, like the real one. */
function gateway() {
  let count = 0;
  const good = new Set<string>();
  const grant = () => {
    count++;
    good.add(`refresh-${count}`);
    return { access_token: `access-${count}`, refresh_token: `refresh-${count}`, expires_in: 900 };
  };
  const exchange = {
    login: vi.fn(async () => grant()),
    refresh: vi.fn(async (token: string) => {
      await new Promise((done) => setTimeout(done, 5));
      if (!good.delete(token)) throw refused();
      return grant();
    }),
  } satisfies Exchange;
  return exchange;
}

const stale = (tokens: Tokens): Tokens => ({ ...tokens, renewAt: 0 });
const credentials = { email: "a@b", password: "p" };

test("requests that find the token stale share one exchange", async () => {
  const exchange = gateway();
  const session = new Session(exchange, {});
  await session.login(credentials);
  const first = await session.token();
  const renewed = await Promise.all(Array.from({ length: 20 }, () => session.renew(first)));
  expect(new Set(renewed)).toEqual(new Set(["access-2"]));
  expect(exchange.refresh).toHaveBeenCalledTimes(1);
  // One that was sent with the old token and is refused late takes the new one.
  expect(await session.renew(first)).toBe("access-2");
  expect(exchange.refresh).toHaveBeenCalledTimes(1);
});

test("a token is exchanged before it ends", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    const exchange = gateway();
    const session = new Session(exchange, {});
    await session.login(credentials);
    vi.setSystemTime(Date.now() + 800_000);
    expect(await session.token()).toBe("access-1");
    vi.setSystemTime(Date.now() + 50_000);
    expect(await session.token()).toBe("access-2");
  } finally {
    vi.useRealTimers();
  }
});

test("two clients with one store take turns", async () => {
  const exchange = gateway();
  const store = memoryStore();
  let turn: Promise<unknown> = Promise.resolve();
  const lock = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work);
    turn = mine;
    return mine;
  };
  const [one, two] = [new Session(exchange, { store, lock }), new Session(exchange, { store, lock })];
  await one.login(credentials);
  await store.save(stale((await store.load())!));
  expect(await Promise.all([one.token(), two.token()])).toEqual(["access-2", "access-2"]);
  expect(exchange.refresh).toHaveBeenCalledTimes(1);
});

test("a session that is over is forgotten, and says so once", async () => {
  const exchange = gateway();
  const store = memoryStore();
  await store.save({ accessToken: "a", refreshToken: "spent", renewAt: 0 });
  const onSignedOut = vi.fn();
  const session = new Session(exchange, { store, onSignedOut });
  await expect(session.token()).rejects.toBeInstanceOf(AuthenticationError);
  expect(await session.isSignedIn()).toBe(false);
  expect(onSignedOut).toHaveBeenCalledTimes(1);
  expect(await session.token()).toBeNull();
});

test.each([["cannot be reached", () => new ConnectionError("away")], ["is busy", (): APIError => busy()]])(
  "a gateway that %s ends no session",
  async (_, error) => {
    const exchange = gateway();
    exchange.refresh.mockRejectedValueOnce(error());
    const store = memoryStore();
    await store.save({ accessToken: "old", refreshToken: "refresh-0", renewAt: 0 });
    const session = new Session(exchange, { store });
    // The gateway decides whether the old one still works.
    expect(await session.token()).toBe("old");
    expect(await session.isSignedIn()).toBe(true);
  },
);

test("a program with a password logs in by itself, and again when its session is over", async () => {
  const exchange = gateway();
  const store = memoryStore();
  const session = new Session(exchange, { credentials, store });
  expect(await session.token()).toBe("access-1");
  await store.save({ accessToken: "access-1", refreshToken: "spent", renewAt: 0 });
  expect(await session.token()).toBe("access-2");
  expect(exchange.login).toHaveBeenCalledTimes(2);
});

test("stores of browsers survive what stands in them", () => {
  const items = new Map<string, string>();
  const storage = {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  };
  const store = webStore(storage, "key");
  expect(store.load()).toBeNull();
  items.set("key", "{broken");
  expect(store.load()).toBeNull();
  const tokens = { accessToken: "a", refreshToken: "r", renewAt: 1 };
  void store.save(tokens);
  expect(store.load()).toEqual(tokens);
  void store.save(null);
  expect(items.size).toBe(0);
});
