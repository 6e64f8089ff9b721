/** Against the real gateway, with the real codex, and a network that breaks. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterEach, describe, expect, inject, test } from "vitest";
import WebSocketOfNode from "ws";

import { Proxy, seeded } from "../../e2e/node/proxy.js";
import {
  AbortError,
  AuthenticationError,
  type ClientOptions,
  CodexClient,
  ConflictError,
  type ConnectionState,
  ConnectionError,
  InvalidRequestError,
  NotFoundError,
  type StreamOptions,
  type TaskEvent,
  type WebSocketConstructor,
  memoryStore,
} from "../src/index.js";

const gateway = inject("gateway");
const { email, password } = gateway;
const WebSocket = WebSocketOfNode as unknown as WebSocketConstructor;
const client = new CodexClient({ baseURL: gateway.url, auth: { email, password } });

const proxies: Proxy[] = [];
async function proxied(options: Partial<ClientOptions> = {}) {
  const proxy = await Proxy.start(gateway.url);
  proxies.push(proxy);
  return { proxy, client: new CodexClient({ baseURL: proxy.url, auth: { email, password }, WebSocket, ...options }) };
}
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()));
});

async function submitted(prompt: string): Promise<string> {
  return (await client.createTask(prompt)).task_id;
}

/** Everything of a stream; its numbers follow each other without a gap or a repetition, or this throws. */
async function transcript(from: CodexClient, id: string, options: StreamOptions = {}) {
  const events: TaskEvent[] = [];
  let last = options.after ?? 0;
  for await (const event of from.events(id, options)) {
    if ("id" in event) {
      const first = event.data.from ?? event.id;
      if (first !== last + 1) throw new Error(`after ${last} came ${first}`);
      last = event.id;
    }
    events.push(event);
  }
  expect(events.at(-1)?.type).toBe("done");
  return { events, last, texts: events.filter((event) => "id" in event).map((event) => JSON.stringify(event)) };
}

/** A task with a long log, made once. */
let long: Promise<string> | undefined;
const longTask = () => (long ??= submitted("[demo:messages 600 2]"));

describe("the calls", () => {
  test("a task is submitted, watched, found again and read", async () => {
    const { task_id: id, status } = await client.createTask("Demonstrate what you do.");
    expect(status).toBe("queued");
    const seen: string[] = [];
    const done = await client.streamTask(id, {
      onStatus: ({ state }) => seen.push(state),
      onItem: (item) => seen.push(item.type),
      onDone: ({ state }) => seen.push(`done ${state}`),
    });
    expect(done).toMatchObject({ exit_code: 0, state: "completed" });
    expect(seen).toEqual(expect.arrayContaining(["running", "thread.started", "item.completed", "turn.completed", "runner.patch", "completed"]));
    expect(seen.at(-1)).toBe("done completed");

    expect(await client.tasks.get(id)).toMatchObject({ task_id: id, status: "completed", prompt: "Demonstrate what you do.", owner: email });
    const page = await client.tasks.list({ q: id, limit: 1, status: "completed" });
    expect(page).toMatchObject({ total: 1, limit: 1, tasks: [{ task_id: id }] });
    expect((await client.tasks.patch(id)).patch).toMatch(/^diff --git /m);
    expect(await client.tasks.log(id)).toContain("turn.completed");
    const entries = (await client.tasks.log(id, { format: "ndjson" })).trim().split("\n");
    expect(entries.map((entry) => JSON.parse(entry) as unknown).length).toBeGreaterThan(5);
  });

  test("repositories say where tasks may work", async () => {
    expect(await client.repositories.list()).toMatchObject([{ name: "demo", path: "/srv/repos/demo", default: true }]);
  });

  test("the same key makes one task", async () => {
    const options = { idempotencyKey: `key-${Date.now()}` };
    const first = await client.createTask("[demo:say hi]", options);
    expect((await client.createTask("[demo:say hi]", options)).task_id).toBe(first.task_id);
    await expect(client.createTask("[demo:say other]", options)).rejects.toBeInstanceOf(ConflictError);
  });

  test("cancel ends a task, once", async () => {
    const id = await submitted("[demo:sleep 600]");
    for await (const event of client.events(id)) if (event.type === "status" && event.data.state === "running") break;
    await client.tasks.cancel(id);
    const { events } = await transcript(client, id);
    expect(events.at(-1)).toMatchObject({ data: { state: "canceled" } });
    await expect(client.tasks.cancel(id)).rejects.toMatchObject({ name: "ConflictError", code: "task_already_finished" });
  });

  test("logout ends the session at the gateway", async () => {
    const store = memoryStore();
    const other = new CodexClient({ baseURL: gateway.url, auth: { store } });
    expect(await other.isSignedIn()).toBe(false);
    await other.login(email, password);
    await other.tasks.list();
    const tokens = (await store.load())!;
    await other.logout();
    expect(await other.isSignedIn()).toBe(false);
    await store.save({ ...tokens, renewAt: 0, accessToken: "stale" });
    await expect(other.tasks.list()).rejects.toBeInstanceOf(AuthenticationError);
    expect(await other.isSignedIn()).toBe(false);
  });
});

describe("errors", () => {
  test("come in classes, with the id of the request", async () => {
    const stranger = new CodexClient({ baseURL: gateway.url, auth: { email, password: "wrong" } });
    await expect(stranger.tasks.list()).rejects.toMatchObject({ name: "AuthenticationError", status: 401 });
    await expect(new CodexClient({ baseURL: gateway.url }).tasks.list()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(client.tasks.get("00000000-0000-7000-8000-000000000000")).rejects.toBeInstanceOf(NotFoundError);
    const invalid = await client.createTask("x", { cwd: "/etc" }).catch((error: unknown) => error);
    expect(invalid).toBeInstanceOf(InvalidRequestError);
    expect(invalid).toMatchObject({ status: 400, field: "cwd", requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string });
    const log = readFileSync(join(gateway.data, "logs/gateway.log"), "utf8");
    expect(log).toContain((invalid as InvalidRequestError).requestId);
  });

  test("an address where nobody is", async () => {
    const { proxy, client: lost } = await proxied({ maxRetries: 1 });
    proxy.closed = true;
    await expect(lost.tasks.list()).rejects.toBeInstanceOf(ConnectionError);
    expect(proxy.connections).toBe(2);
  });

  test("a stream of a task that is not there ends at once", async () => {
    const id = "00000000-0000-7000-8000-000000000000";
    for (const transport of ["sse", "websocket"] as const) {
      const { client: other } = await proxied();
      await expect(transcript(other, id, { transport })).rejects.toBeInstanceOf(NotFoundError);
    }
  });
});

describe("streams", () => {
  test.each([1, 2, 3, 4])("are whole over connections that are cut anywhere (seed %i)", async (seed) => {
    const whole = await transcript(client, await longTask());
    const { proxy, client: cut } = await proxied();
    const random = seeded(seed);
    // The login goes through; what follows is cut.
    await cut.tasks.list({ limit: 1 });
    proxy.cutAll();
    proxy.cutAfter = () => Math.floor(random() * 20_000);
    const seen = await transcript(cut, await longTask(), { transport: seed % 2 ? "sse" : "websocket" });
    expect(seen.texts).toEqual(whole.texts);
    expect(proxy.cuts).toBeGreaterThan(3);
  });

  test("are whole while the task runs and the network breaks", async () => {
    const { proxy, client: cut } = await proxied();
    const random = seeded(7);
    await cut.tasks.list({ limit: 1 });
    proxy.cutAll();
    proxy.cutAfter = () => Math.floor(random() * 8_000);
    const id = await submitted("[demo:messages 100 20]");
    const seen = await transcript(cut, id);
    expect(seen.events.filter((event) => event.type === "item" && event.data.type === "item.completed").length).toBeGreaterThanOrEqual(100);
    expect(proxy.cuts).toBeGreaterThan(0);
    expect(seen.texts).toEqual((await transcript(client, id)).texts);
  });

  test("begin after the number that is named, in both views", async () => {
    const whole = await transcript(client, await longTask());
    const rest = await transcript(client, await longTask(), { after: whole.last - 10 });
    expect(rest.texts).toEqual(whole.texts.slice(-10));
    const raw = await transcript(client, await longTask(), { view: "raw" });
    expect(raw.last).toBe(whole.last);
    expect(raw.events.some((event) => event.type === "item")).toBe(false);
  });

  test("give the same over WebSocket", async () => {
    const { client: other } = await proxied();
    const states: ConnectionState[] = [];
    const seen = await transcript(other, await longTask(), { transport: "websocket", onConnection: (state) => states.push(state) });
    expect(seen.texts).toEqual((await transcript(client, await longTask())).texts);
    expect(states).toContainEqual({ state: "live", transport: "websocket" });
  });

  test("change to WebSocket where fetch has no streams", async () => {
    const states: ConnectionState[] = [];
    const bodyless: ClientOptions["fetch"] = async (url, init) => {
      const response = await fetch(url, init);
      // As in React Native: the body is there only as a whole.
      return new globalThis.Proxy(response, {
        get: (target, key) => {
          if (key === "body") return undefined;
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === "function" ? (value as () => unknown).bind(target) : value;
        },
      });
    };
    const { client: other } = await proxied({ fetch: bodyless });
    await transcript(other, await longTask(), { onConnection: (state) => states.push(state) });
    expect(states).toContainEqual({ state: "live", transport: "websocket" });
  });

  test("survive a stale access token, also over WebSocket", async () => {
    for (const transport of ["sse", "websocket"] as const) {
      const store = memoryStore();
      const other = new CodexClient({ baseURL: gateway.url, auth: { store }, WebSocket });
      await other.login(email, password);
      const tokens = (await store.load())!;
      await store.save({ ...tokens, accessToken: `${tokens.accessToken.slice(0, -8)}AAAAAAAA` });
      await transcript(other, await longTask(), { transport });
      expect((await store.load())!.refreshToken).not.toBe(tokens.refreshToken);
    }
  });

  test("survive a gateway that is killed", async () => {
    const id = await submitted("[demo:messages 200 20]");
    const run = JSON.parse(readFileSync(join(gateway.data, "run.json"), "utf8")) as { processes: { gateway: { pid: number } } };
    let killed = false;
    const states: ConnectionState[] = [];
    const events: TaskEvent[] = [];
    for await (const event of client.events(id, { onConnection: (state) => states.push(state) })) {
      events.push(event);
      if (!killed && "id" in event && event.id > 20) {
        process.kill(run.processes.gateway.pid, "SIGKILL");
        killed = true;
      }
    }
    expect(states.filter((state) => state.state === "live").length).toBeGreaterThan(1);
    const numbered = events.filter((event) => "id" in event).map((event) => JSON.stringify(event));
    expect(numbered).toEqual((await transcript(client, id)).texts);
  });

  test("let go when the caller does", async () => {
    const id = await submitted("[demo:sleep 600]");
    const { client: other } = await proxied();
    for (const transport of ["sse", "websocket"] as const) {
      const stop = new AbortController();
      const watching = other.streamTask(id, { onItem: () => stop.abort() }, { signal: stop.signal, transport });
      await expect(watching).rejects.toBeInstanceOf(AbortError);
    }
    for await (const event of other.events(id)) if (event.type === "status") break;
    const open = async () => /^codex_gateway_streams_open (\d+)$/m.exec(await (await fetch(`${gateway.url}/metrics`)).text())?.[1];
    await expect.poll(open, { timeout: 10_000 }).toBe("0");
    await client.tasks.cancel(id);
  });
});
