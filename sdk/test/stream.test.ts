import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { AbortError, CodexClient, type ConnectionState, NotFoundError, PermissionDeniedError, ProtocolError, type TaskEvent, type WebSocketConstructor } from "../src/index.js";

/** One connection: what it sends, and what happens then. */
type Connection = { send: string; then?: "end" | "break" | "silence"; status?: number; headers?: Record<string, string>; type?: string };

const log = (id: number, from?: number) => `event: log\nid: ${id}\ndata: {"line":"${id}"${from ? `,"from":${from}` : ""}}\n\n`;
const running = 'event: status\ndata: {"state":"running"}\n\n';
const done = 'event: done\ndata: {"exit_code":0,"state":"completed"}\n\n';

/** A client whose streams play these connections, one after the other. */
function clientOf(...connections: Connection[]) {
  return clientWith(undefined, ...connections);
}

function clientWith(Socket: WebSocketConstructor | undefined, ...connections: Connection[]) {
  const asked: (string | undefined)[] = [];
  const states: ConnectionState[] = [];
  let wake = () => {};
  const client = new CodexClient({
    baseURL: "http://gateway",
    auth: { token: "t" },
    ...(Socket && { WebSocket: Socket }),
    onWake: (look) => {
      wake = look;
      return () => {};
    },
    fetch: async (_, init = {}) => {
      asked.push((init.headers as Record<string, string>)["Last-Event-ID"]);
      const { send, then = "end", status = 200, headers, type = "text/event-stream" } = connections.shift()!;
      // What a proxy says has not the form of a gateway's refusals.
      if (type === "text/html" && status !== 200) return new Response("<html>", { status });
      if (status !== 200) return new Response(JSON.stringify({ error: { code: "x", message: "x" } }), { status, ...(headers && { headers }) });
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          if (send) controller.enqueue(new TextEncoder().encode(send));
          if (then === "end") controller.close();
          init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
        },
        // What was sent before a connection breaks has arrived.
        pull: (controller) => {
          if (then === "break") controller.error(new TypeError("terminated"));
        },
      });
      return new Response(body, { headers: { "content-type": type } });
    },
  });
  return { client, asked, states, wake: () => wake(), onConnection: (state: ConnectionState) => states.push(state) };
}

async function played(client: CodexClient, options: Parameters<CodexClient["batches"]>[1] = {}) {
  const events: TaskEvent[] = [];
  let error: unknown;
  let isSettled = false;
  const run = async () => {
    for await (const event of client.events("1", options)) events.push(event);
  };
  run().catch((reason: unknown) => (error = reason)).finally(() => (isSettled = true));
  for (let step = 0; !isSettled && step < 100_000; step++) await vi.advanceTimersByTimeAsync(50);
  return { events, error, ids: events.flatMap((event) => ("id" in event ? [event.id] : [])) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("never twice, never a hole", () => {
  test("a connection that ends or breaks is taken up after the last number", async () => {
    const { client, asked } = clientOf(
      { send: running + log(1) + log(2) },
      { send: running + log(3), then: "break" },
      { send: running + log(4) + "event: log\nid: 5\nda", then: "break" },
      { send: running + log(5) + done },
    );
    const { ids, events, error } = await played(client);
    expect(error).toBeUndefined();
    expect(ids).toEqual([1, 2, 3, 4, 5]);
    expect(asked).toEqual([undefined, "2", "3", "4"]);
    expect(events.at(-1)).toEqual({ type: "done", data: { exit_code: 0, state: "completed" } });
  });

  test("numbers that come again are dropped", async () => {
    const { client } = clientOf({ send: log(1) + log(2) }, { send: log(1) + log(2) + log(3) + log(3) + done });
    expect((await played(client)).ids).toEqual([1, 2, 3]);
  });

  test("a hole is fetched again, and nothing behind it is believed", async () => {
    const { client, asked } = clientOf({ send: log(1) + log(3) + done }, { send: log(2) + log(3) + done });
    const { ids, events } = await played(client);
    expect(ids).toEqual([1, 2, 3]);
    expect(events.filter((event) => event.type === "done")).toHaveLength(1);
    expect(asked).toEqual([undefined, "1"]);
  });

  test("a hole that stays is an error, not silence", async () => {
    const { client } = clientOf(...Array.from({ length: 9 }, () => ({ send: log(2) })));
    const { error, ids } = await played(client);
    expect(error).toBeInstanceOf(ProtocolError);
    expect(ids).toEqual([]);
  });

  test("events of several frames count as all of them, and so do gaps", async () => {
    const gap = 'event: gap\nid: 9\ndata: {"count":4,"from":6}\n\n';
    const { client, asked } = clientOf({ send: log(1) + log(5, 2) + gap }, { send: log(10) + done });
    expect((await played(client)).ids).toEqual([1, 5, 9, 10]);
    expect(asked).toEqual([undefined, "9"]);
  });

  test("a stream begins after the number that is named", async () => {
    const { client, asked } = clientOf({ send: log(8) + done });
    expect((await played(client, { after: 7 })).ids).toEqual([8]);
    expect(asked).toEqual(["7"]);
  });

  test("names of a later gateway are passed over", async () => {
    const { client } = clientOf({ send: 'event: mood\nid: 1\ndata: {"good":true}\n\n' + log(1) + done });
    expect((await played(client)).events.map((event) => event.type)).toEqual(["log", "done"]);
  });
});

describe("connections", () => {
  test("are tried again through trouble, and Retry-After is kept", async () => {
    const { client, states, onConnection } = clientOf(
      { send: "", status: 503 },
      { send: "", status: 429, headers: { "retry-after": "5" } },
      { send: log(1) + done },
    );
    const { ids } = await played(client, { onConnection });
    expect(ids).toEqual([1]);
    expect(states.map((state) => state.state)).toEqual(["connecting", "waiting", "connecting", "waiting", "connecting", "live"]);
    expect(states[3]).toMatchObject({ error: { status: 429 } });
    expect((states[3] as { retryIn: number }).retryIn).toBeGreaterThanOrEqual(5_000);
  });

  test("are not tried again where that cannot help", async () => {
    const { client, asked } = clientOf({ send: "", status: 404 });
    expect((await played(client)).error).toBeInstanceOf(NotFoundError);
    expect(asked).toHaveLength(1);
  });

  test("that fall silent are given up", async () => {
    const { client, asked } = clientOf({ send: log(1), then: "silence" }, { send: log(2) + done });
    const started = Date.now();
    expect((await played(client)).ids).toEqual([1, 2]);
    expect(Date.now() - started).toBeGreaterThanOrEqual(45_000);
    expect(asked).toHaveLength(2);
  });

  test("are looked at when the machine wakes up", async () => {
    const { client, asked, wake } = clientOf({ send: log(1), then: "silence" }, { send: log(2) + done });
    const started = Date.now();
    setTimeout(wake, 1_000);
    setTimeout(wake, 20_000);
    expect((await played(client)).ids).toEqual([1, 2]);
    expect(asked).toHaveLength(2);
    const passed = Date.now() - started;
    expect(passed).toBeGreaterThanOrEqual(20_000);
    expect(passed).toBeLessThan(30_000);
  });

  test("of a slow reader are not silent", async () => {
    const { client, asked } = clientOf({ send: log(1) + done });
    let count = 0;
    const run = (async () => {
      for await (const batch of client.batches("1")) {
        await new Promise((resume) => setTimeout(resume, 120_000));
        count += batch.length;
      }
    })();
    await vi.advanceTimersByTimeAsync(121_000);
    await run;
    expect(count).toBe(2);
    expect(asked).toHaveLength(1);
  });
});

/** WebSockets that say the same each time, or do not open. */
function sockets(messages: string[] | null) {
  const opened: string[] = [];
  class Socket {
    onopen: (() => void) | null = null;
    onmessage: ((message: { data: unknown }) => void) | null = null;
    onerror: (() => void) | null = null;
    onclose: (() => void) | null = null;
    constructor(url: string) {
      opened.push(new URL(url).search);
      queueMicrotask(() => {
        if (!messages) return this.onerror?.();
        this.onopen?.();
        for (const data of messages) this.onmessage?.({ data });
      });
    }
    close(): void {}
  }
  return { opened, Socket: Socket as unknown as WebSocketConstructor };
}

describe("where server-sent events do not come through", () => {
  const json = (id: number) => JSON.stringify({ event: "log", id, data: { line: String(id) } });
  const end = JSON.stringify({ event: "done", data: { exit_code: 0, state: "completed" } });
  const page = { send: "<html>", type: "text/html" };

  test.each([
    ["something else comes in their place", page],
    ["a proxy refuses them", { ...page, status: 403 }],
    ["nothing comes at all", { send: "", then: "silence" as const }],
  ])("because %s, a WebSocket takes over, and goes on after the last number", async (_, obstacle) => {
    const { Socket, opened } = sockets([json(3), end]);
    const { client, states, onConnection } = clientWith(Socket, { send: log(1) + log(2), then: "break" }, obstacle);
    const { ids, error } = await played(client, { onConnection });
    expect(error).toBeUndefined();
    expect(ids).toEqual([1, 2, 3]);
    expect(opened).toEqual(["?after=2"]);
    expect(states.at(-1)).toEqual({ state: "live", transport: "websocket" });
  });

  test("the next stream begins with what came through", async () => {
    const { Socket, opened } = sockets([json(1), end]);
    const { client, asked } = clientWith(Socket, page);
    expect((await played(client)).ids).toEqual([1]);
    expect((await played(client)).ids).toEqual([1]);
    expect(asked).toHaveLength(1);
    expect(opened).toHaveLength(2);
  });

  test("a WebSocket that opens no more is left for them again", async () => {
    const open = sockets([json(1), end]);
    let Socket = open.Socket;
    const either = function (url: string, protocols: string[]) {
      return new Socket(url, protocols);
    } as unknown as WebSocketConstructor;
    const { client } = clientWith(either, page, { send: "{}" }, { send: log(1) + done });
    expect((await played(client)).ids).toEqual([1]);
    ({ Socket } = sockets(null));
    const { ids, error } = await played(client);
    expect({ ids, error }).toEqual({ ids: [1], error: undefined });
  });

  test("and a WebSocket does not open either, that is said, and not tried for ever", async () => {
    for (const [obstacle, kind] of [
      [page, ProtocolError],
      [{ ...page, status: 403 }, PermissionDeniedError],
    ] as const) {
      const { Socket, opened } = sockets(null);
      const { client } = clientWith(Socket, obstacle, { send: "{}" });
      expect((await played(client)).error).toBeInstanceOf(kind);
      expect(opened).toHaveLength(1);
    }
  });

  test("what the gateway itself refuses is no reason to try another way", async () => {
    const { Socket, opened } = sockets([end]);
    const { client } = clientWith(Socket, { send: "", status: 404 });
    expect((await played(client)).error).toBeInstanceOf(NotFoundError);
    expect(opened).toEqual([]);
  });

  test("whoever asked for them by name gets them, or the reason", async () => {
    const { Socket, opened } = sockets([end]);
    const { client } = clientWith(Socket, page);
    expect((await played(client, { transport: "sse" })).error).toBeInstanceOf(ProtocolError);
    expect(opened).toEqual([]);
  });
});

describe("ends", () => {
  test("by the caller's signal, between events and between connections", async () => {
    for (const then of ["silence", "end"] as const) {
      const { client } = clientOf({ send: log(1), then }, { send: "", then: "silence" });
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 1_000);
      const { ids, error } = await played(client, { signal: stop.signal });
      expect(ids).toEqual([1]);
      expect(error).toBeInstanceOf(AbortError);
    }
  });

  test("when the loop is left, and the connection with it", async () => {
    const { client } = clientOf({ send: log(1) + log(2), then: "silence" });
    for await (const event of client.events("1")) if (event.type === "log") break;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("with onError, which is told once and not of the caller's own signal", async () => {
    const onError = vi.fn();
    const failing = clientOf({ send: "", status: 404 });
    expect(await failing.client.streamTask("1", { onError })).toBeNull();
    expect(onError).toHaveBeenCalledTimes(1);
    expect(onError.mock.calls[0]?.[0]).toBeInstanceOf(NotFoundError);
    const stopped = clientOf({ send: log(1), then: "silence" });
    const stop = new AbortController();
    const onLog = vi.fn(() => stop.abort());
    expect(await stopped.client.streamTask("1", { onLog, onError }, { signal: stop.signal })).toBeNull();
    expect(onLog).toHaveBeenCalledTimes(1);
    expect(onError).toHaveBeenCalledTimes(1);
  });

  test("without onError as a rejection", async () => {
    const { client } = clientOf({ send: "", status: 404 });
    await expect(client.streamTask("1")).rejects.toBeInstanceOf(NotFoundError);
  });
});
