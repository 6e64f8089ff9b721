import { AuthenticationError } from "@codex-remote/sdk";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { LiveTask } from "../src/index.js";
import { FakeGateway, MemoryKeeper, done, item, log, status } from "./support.js";

let gateway: FakeGateway;
let keeper: MemoryKeeper;
let task: LiveTask;

const watch = () => new LiveTask(gateway, "t-1", { bufferLines: 1_000, keeper });
const lines = () => task.view().terminal.lines.map((line) => line.text);
const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000 });

beforeEach(() => {
  gateway = new FakeGateway();
  keeper = new MemoryKeeper();
  task = watch();
});
afterEach(() => task.close());

test("events become rows and lines, and listeners hear of many at once", async () => {
  const heard = vi.fn();
  task.subscribe(heard);
  gateway.send(status("running"), log(1), log(2));
  gateway.send(item(3, { type: "item.completed", item: { id: "item_0", type: "agent_message", text: "Done." } }));
  await until(() => expect(lines()).toEqual(["line 1", "line 2", "Done."]));
  await until(() => expect(heard).toHaveBeenCalled());
  expect(heard.mock.calls.length).toBeLessThan(4);
  expect(task.view()).toMatchObject({ status: { state: "running" }, done: null });
});

test("a task that nobody looks at has no connection, and goes on after the last number", async () => {
  gateway.send(status("running"), log(1), log(2));
  await until(() => expect(lines()).toHaveLength(2));
  task.pause("hidden");
  expect(task.view().connection).toEqual({ state: "paused", reason: "hidden" });
  expect(gateway.asked[0]?.signal?.aborted).toBe(true);
  task.resume();
  await until(() => expect(gateway.asked).toHaveLength(2));
  expect(gateway.asked[1]?.after).toBe(2);
  gateway.send(status("running"), log(3));
  await until(() => expect(lines()).toEqual(["line 1", "line 2", "line 3"]));
});

test("what arrives while the connection is given up is neither lost nor there twice", async () => {
  gateway.send(status("running"), log(1));
  await until(() => expect(lines()).toHaveLength(1));
  gateway.send(log(2));
  task.pause("hidden");
  task.resume();
  await until(() => expect(gateway.asked).toHaveLength(2));
  expect(gateway.asked[1]?.after).toBe(1);
  gateway.send(log(2), log(3), done);
  gateway.end();
  await until(() => expect(task.view().connection.state).toBe("ended"));
  expect(lines()).toEqual(["line 1", "line 2", "line 3"]);
});

test("what the old connection says after it was given up does not count", async () => {
  gateway.send(status("running"));
  await until(() => expect(task.view().status).not.toBeNull());
  task.pause("offline");
  gateway.asked[0]?.onConnection?.({ state: "waiting", retryIn: 1, error: null });
  expect(task.view().connection).toEqual({ state: "paused", reason: "offline" });
});

test("a task that has ended stays as it is, whether somebody looks or not", async () => {
  gateway.send(status("completed"), log(1), done);
  gateway.end();
  await until(() => expect(task.view().connection.state).toBe("ended"));
  task.pause("hidden");
  task.resume();
  expect(task.view().connection.state).toBe("ended");
  expect(gateway.asked).toHaveLength(1);
});

test("what cannot go on says why, and can be tried once more", async () => {
  gateway.send(status("running"), log(1));
  await until(() => expect(lines()).toHaveLength(1));
  gateway.fail(new AuthenticationError(401, { code: "unauthenticated", message: "Sign in again.", requestId: null, details: null, retryAfter: null }));
  await until(() => expect(task.view().connection).toMatchObject({ state: "failed", error: { message: "Sign in again." } }));
  task.resume();
  expect(gateway.asked).toHaveLength(1);
  task.retry();
  await until(() => expect(gateway.asked).toHaveLength(2));
  expect(gateway.asked[1]?.after).toBe(1);
});

test("without a network the kept copy is shown, until the stream begins at the beginning", async () => {
  gateway.send(status("running"), log(1), log(2));
  await until(() => expect(lines()).toHaveLength(2));
  task.close();
  task = watch();
  task.pause("offline");
  await until(() => expect(lines()).toEqual(["line 1", "line 2"]));
  expect(task.view().savedAt).toBe(1);
  task.resume();
  await until(() => expect(gateway.asked).toHaveLength(2 + 1));
  expect(gateway.asked.at(-1)?.after).toBe(0);
  gateway.send(status("completed"), log(1));
  await until(() => expect(lines()).toEqual(["line 1"]));
  expect(task.view().savedAt).toBeNull();
});
