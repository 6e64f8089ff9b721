import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { AbortError, AuthenticationError, CodexClient, ConnectionError, ProtocolError, RateLimitError, ServerError, TimeoutError } from "../src/index.js";
import { retryAfter } from "../src/errors.js";

type Answer = (input: string, init: RequestInit) => Response | Promise<Response>;

/** A client whose requests are answered by these, one after the other; the last one stays. */
function clientOf(...answers: Answer[]) {
  const requests: { url: string; headers: Record<string, string>; body: unknown }[] = [];
  const client = new CodexClient({
    baseURL: "http://gateway/",
    auth: { token: "t" },
    fetch: async (url, init = {}) => {
      requests.push({ url, headers: init.headers as Record<string, string>, body: init.body });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      return answer!(url, init);
    },
  });
  return { client, requests };
}

const json = (body: unknown, init?: ResponseInit) => new Response(JSON.stringify(body), init);
const refusal = (status: number, code: string, headers?: Record<string, string>) =>
  json({ error: { code, message: `no: ${code}`, request_id: "r-1", details: { field: "cwd" } } }, { status, ...(headers && { headers }) });
const unreachable: Answer = () => {
  throw new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") });
};
const never: Answer = (_, init) =>
  new Promise((_resolve, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason as Error)));

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Runs the clock until the promise settles; answers with the error and the milliseconds that passed. */
async function failure(promise: Promise<unknown>): Promise<{ error: unknown; after: number }> {
  const started = Date.now();
  let error: unknown;
  let isSettled = false;
  promise.then(() => (isSettled = true), (reason: unknown) => {
    error = reason;
    isSettled = true;
  });
  for (let step = 0; !isSettled && step < 10_000; step++) await vi.advanceTimersByTimeAsync(50);
  return { error, after: Date.now() - started };
}

describe("errors", () => {
  test.each([
    [400, "InvalidRequestError"],
    [401, "AuthenticationError"],
    [403, "PermissionDeniedError"],
    [404, "NotFoundError"],
    [409, "ConflictError"],
    [413, "APIError"],
    [422, "InvalidRequestError"],
    [500, "ServerError"],
  ])("status %i is %s, with the words and the request id of the gateway", async (status, name) => {
    const { client } = clientOf(() => refusal(status, "some_code"));
    const { error } = await failure(client.tasks.get("1", { maxRetries: 0 }));
    expect(error).toMatchObject({ name, status, code: "some_code", message: "no: some_code", requestId: "r-1", field: "cwd" });
  });

  test("a page of a proxy is an error too", async () => {
    const { client } = clientOf(() => new Response("<h1>Bad gateway</h1>", { status: 502, headers: { "x-request-id": "r-2" } }));
    const { error } = await failure(client.tasks.get("1", { maxRetries: 0 }));
    expect(error).toBeInstanceOf(ServerError);
    expect(error).toMatchObject({ code: "unknown", requestId: "r-2" });
  });

  test("an answer that is not JSON says where to look", async () => {
    const { client } = clientOf(() => new Response("<html>"));
    const { error } = await failure(client.tasks.get("1"));
    expect(error).toBeInstanceOf(ProtocolError);
    expect((error as Error).message).toContain("http://gateway");
  });

  test("a network error says what happened", async () => {
    const { client } = clientOf(unreachable);
    const { error } = await failure(client.tasks.get("1", { maxRetries: 0 }));
    expect(error).toBeInstanceOf(ConnectionError);
    expect((error as Error).message).toContain("ECONNREFUSED");
  });
});

describe("again", () => {
  test("waits double, with jitter, up to the last try", async () => {
    const { client, requests } = clientOf(unreachable);
    const { error, after } = await failure(client.tasks.list());
    expect(error).toBeInstanceOf(ConnectionError);
    expect(requests).toHaveLength(4);
    expect(after).toBeGreaterThanOrEqual(250 + 500 + 1000);
    expect(after).toBeLessThan(250 + 500 + 1000 + 200);
  });

  test("Retry-After is kept, and the jitter comes on top", async () => {
    const { client, requests } = clientOf(() => refusal(429, "too_many_requests", { "retry-after": "7" }), () => json({ tasks: [] }));
    const { error, after } = await failure(client.tasks.list());
    expect(error).toBeUndefined();
    expect(requests).toHaveLength(2);
    expect(after).toBeGreaterThanOrEqual(7_250);
  });

  test("a gateway that wants a long rest gets it", async () => {
    const { client, requests } = clientOf(() => refusal(429, "too_many_requests", { "retry-after": "3600" }));
    const { error } = await failure(client.tasks.list());
    expect(error).toBeInstanceOf(RateLimitError);
    expect(error).toMatchObject({ retryAfter: 3_600_000 });
    expect(requests).toHaveLength(1);
  });

  test("a new task is sent again with the same key", async () => {
    const { client, requests } = clientOf(unreachable, () => refusal(503, "unavailable"), () => json({ task_id: "1", status: "queued" }));
    const promise = client.createTask("hello", { cwd: "/srv/repos/demo" });
    await failure(promise);
    expect(await promise).toMatchObject({ task_id: "1" });
    const keys = requests.map((request) => request.headers["Idempotency-Key"]);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(JSON.parse(requests[2]?.body as string)).toEqual({ prompt: "hello", cwd: "/srv/repos/demo" });
  });

  test.each([400, 403, 404, 409, 413, 500])("status %i is not tried again", async (status) => {
    const { client, requests } = clientOf(() => refusal(status, "x"));
    await failure(client.tasks.get("1"));
    expect(requests).toHaveLength(1);
  });

  test("what may have been done already is not sent again, what was refused is", async () => {
    const call = { body: {}, repeatable: false };
    const lost = clientOf(unreachable);
    await failure(lost.client.request("POST", "/x", call));
    expect(lost.requests).toHaveLength(1);
    const refused = clientOf(() => refusal(503, "unavailable"), () => json({}));
    await failure(refused.client.request("POST", "/x", call));
    expect(refused.requests).toHaveLength(2);
  });
});

describe("ends", () => {
  test("an attempt that takes too long", async () => {
    const { client, requests } = clientOf(never);
    const { error, after } = await failure(client.tasks.get("1", { timeout: 1_000, maxRetries: 1 }));
    expect(error).toBeInstanceOf(TimeoutError);
    expect(requests).toHaveLength(2);
    expect(after).toBeGreaterThanOrEqual(2_250);
  });

  test("a body that does not come counts as well", async () => {
    const { client } = clientOf((_, init) => new Response(new ReadableStream({
      start: (controller) => init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason)),
    })));
    const { error } = await failure(client.tasks.get("1", { timeout: 1_000, maxRetries: 0 }));
    expect(error).toBeInstanceOf(TimeoutError);
  });

  test.each([["while it is sent", 10], ["between two attempts", 1_100]])("the caller's signal, %s", async (_, at) => {
    const { client } = clientOf(never);
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error("enough")), at);
    const { error, after } = await failure(client.tasks.get("1", { timeout: 1_000, signal: stop.signal }));
    expect(error).toBeInstanceOf(AbortError);
    expect((error as Error).cause).toEqual(new Error("enough"));
    expect(after).toBeLessThan(at + 100);
  });

  test("a signal that was used before the call", async () => {
    const { client, requests } = clientOf(() => json({}));
    const { error } = await failure(client.tasks.get("1", { signal: AbortSignal.abort() }));
    expect(error).toBeInstanceOf(AbortError);
    expect(requests).toHaveLength(0);
  });
});

describe("lines of an answer", () => {
  const entries = (client: CodexClient, options = {}) => client.audit.export({}, options);
  const read = async (client: CodexClient, options = {}) => {
    const ids: number[] = [];
    for await (const { id } of entries(client, options)) ids.push(id);
    return ids;
  };
  const pieces = (...texts: string[]) => new Response(new Blob(texts).stream());

  test("come whole, wherever the network cuts them, with and without a feed at the end", async () => {
    const bytes = new TextEncoder().encode('{"id":1,"actor":"ä"}\n{"id":2}\n{"id":3}');
    for (const size of [1, 3, 1000]) {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
          controller.close();
        },
      });
      expect(await read(clientOf(() => new Response(body)).client)).toEqual([1, 2, 3]);
    }
    expect(await read(clientOf(() => pieces()).client)).toEqual([]);
  });

  test("come at the end where fetch has no streams", async () => {
    const whole = () => Object.defineProperty(pieces('{"id":1}\n', '{"id":2}\n'), "body", { value: undefined });
    expect(await read(clientOf(whole).client)).toEqual([1, 2]);
  });

  test("are asked for again before the first, and not after it", async () => {
    const again = clientOf(() => refusal(503, "unavailable"), () => pieces('{"id":1}\n'));
    const ids = read(again.client);
    await failure(ids);
    expect(await ids).toEqual([1]);
    const broken = clientOf(() => new Response(new ReadableStream({
      pull: (controller) => controller.desiredSize === 1 ? controller.enqueue(new TextEncoder().encode('{"id":1}\n')) : controller.error(new Error("reset")),
    }, { highWaterMark: 2 })));
    const { error } = await failure(read(broken.client));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(broken.requests).toHaveLength(1);
  });

  test("that stay away too long are a TimeoutError; a reader may take any time", async () => {
    let more: ReadableStreamDefaultController<Uint8Array>;
    const { client } = clientOf((_, init) => new Response(new ReadableStream<Uint8Array>({
      start: (controller) => {
        more = controller;
        init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
        controller.enqueue(new TextEncoder().encode('{"id":1}\n'));
      },
    })));
    const lines = entries(client, { timeout: 1_000, maxRetries: 0 });
    expect(await lines.next()).toMatchObject({ value: { id: 1 } });
    await vi.advanceTimersByTimeAsync(60_000);
    more!.enqueue(new TextEncoder().encode('{"id":2}\n'));
    expect(await lines.next()).toMatchObject({ value: { id: 2 } });
    expect((await failure(lines.next())).error).toBeInstanceOf(TimeoutError);
  });
});

test("queries leave out what is not set", async () => {
  const { client, requests } = clientOf(() => json({ tasks: [] }));
  await failure(client.tasks.list({ limit: 10, q: "a b&c", status: undefined }));
  expect(requests[0]?.url).toBe("http://gateway/api/tasks?limit=10&q=a%20b%26c");
});

test("a token that does not work and cannot be renewed is an AuthenticationError", async () => {
  const { client, requests } = clientOf(() => refusal(401, "unauthenticated"));
  const { error } = await failure(client.tasks.list());
  expect(error).toBeInstanceOf(AuthenticationError);
  expect(requests).toHaveLength(1);
});

test("Retry-After is seconds or a date", () => {
  expect(retryAfter("2")).toBe(2_000);
  expect(retryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4_000)).toBe(6_000);
  expect(retryAfter("Thu, 01 Jan 1970 00:00:01 GMT", 4_000)).toBe(0);
  expect(retryAfter("soon")).toBeNull();
  expect(retryAfter(null)).toBeNull();
});
