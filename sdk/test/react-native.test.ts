import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { CodexClient, TimeoutError } from "../src/index.js";

/**
 * React Native's `AbortController` (the package `abort-controller`): what `abort` is given is dropped, and signals have no `reason`. Its `fetch`
 * rejects with an error of its own then.
 */
class ForgetfulController {
  readonly signal: AbortSignal;
  #isAborted = false;

  constructor() {
    const signal = new EventTarget();
    Object.defineProperty(signal, "aborted", { get: () => this.#isAborted });
    this.signal = signal as AbortSignal;
  }

  abort(): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.signal.dispatchEvent(new Event("abort"));
  }
}

const stopped = () => Object.assign(new Error("The operation was aborted."), { name: "AbortError" });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("AbortController", ForgetfulController);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function settled(promise: Promise<unknown>): Promise<unknown> {
  let outcome: unknown;
  let isSettled = false;
  promise.then((value) => (outcome = value), (error: unknown) => (outcome = error)).finally(() => (isSettled = true));
  for (let step = 0; !isSettled && step < 10_000; step++) await vi.advanceTimersByTimeAsync(50);
  expect(isSettled).toBe(true);
  return outcome;
}

test("a request that takes too long is tried again, and is a TimeoutError then", async () => {
  let requests = 0;
  const fetch = (_: string, init: RequestInit = {}) => {
    requests++;
    return new Promise<Response>((_resolve, reject) => init.signal?.addEventListener("abort", () => reject(stopped())));
  };
  const client = new CodexClient({ baseURL: "http://gateway", auth: { token: "t" }, fetch, timeout: 1_000, maxRetries: 2 });
  expect(await settled(client.tasks.get("1"))).toBeInstanceOf(TimeoutError);
  expect(requests).toBe(3);
});

test("a caller who stops a request hears why it ended", async () => {
  const fetch = (_: string, init: RequestInit = {}) => new Promise<Response>((_resolve, reject) => init.signal?.addEventListener("abort", () => reject(stopped())));
  const client = new CodexClient({ baseURL: "http://gateway", auth: { token: "t" }, fetch });
  const stop = new AbortController();
  const call = settled(client.tasks.get("1", { signal: stop.signal }));
  stop.abort();
  expect(await call).toMatchObject({ name: "AbortError" });
});

test("a stream that falls silent is taken up again", async () => {
  const bodies = ['id: 1\nevent: log\ndata: {"line":"1"}\n\n', 'id: 2\nevent: log\ndata: {"line":"2"}\n\nevent: done\ndata: {"exit_code":0,"state":"completed"}\n\n'];
  const asked: unknown[] = [];
  const fetch = async (_: string, init: RequestInit = {}) => {
    asked.push((init.headers as Record<string, string>)["Last-Event-ID"]);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(bodies.shift()));
        init.signal?.addEventListener("abort", () => controller.error(stopped()));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const client = new CodexClient({ baseURL: "http://gateway", auth: { token: "t" }, fetch });
  expect(await settled(client.streamTask("1"))).toEqual({ exit_code: 0, state: "completed" });
  expect(asked).toEqual([undefined, "1"]);
});
