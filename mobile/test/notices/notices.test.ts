import { announce, lookAt, lookForEnds } from "@/notices/announce";
import { watch, watched } from "@/notices/watched";
import { signOut } from "@/servers/session";
import { changeSettings } from "@/settings/settings";
import { SERVER, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";
import { shown } from "../setup";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

beforeEach(async () => {
  mockGateway = new Gateway();
  startAnew();
  shown().splice(0);
  changeSettings({ notify: true });
  await signedIn();
});

test("the end of a watched task is told once, and a touch leads to it", async () => {
  const task = mockGateway.add({ prompt: "Paint the fence\nin green", status: "error", reason: "Timeout" });
  watch(SERVER, task.task_id);
  expect(await lookForEnds(true)).toBe(0);
  expect(await lookForEnds(true)).toBe(0);
  expect(shown()).toHaveLength(1);
  expect(shown()[0]).toMatchObject({ identifier: task.task_id, content: { title: "Failed: Paint the fence", body: "demo · Timeout", data: { path: `/open?server=${encodeURIComponent(SERVER)}&task=${task.task_id}` } } });
});

test("a task that runs is waited for, one that is gone is not", async () => {
  const running = mockGateway.add({ status: "running" });
  watch(SERVER, running.task_id);
  watch(SERVER, "0198c7f2-ffff-7222-8333-444455556666");
  expect(await lookForEnds(false)).toBe(1);
  expect(watched(SERVER)).toEqual([running.task_id]);
  expect(shown()).toEqual([]);
});

test("without a network the tasks stay watched", async () => {
  const task = mockGateway.add({});
  watch(SERVER, task.task_id);
  mockGateway.isAway = true;
  expect(await lookForEnds(false)).toBe(1);
  mockGateway.isAway = false;
  expect(await lookForEnds(false)).toBe(0);
  expect(shown()).toHaveLength(1);
});

test("who looks at the task need not be told; in the background nobody looks", async () => {
  const [seen, hidden] = [mockGateway.add({}), mockGateway.add({})];
  for (const { task_id: id } of [seen, hidden]) watch(SERVER, id);
  const end = lookAt(SERVER, seen.task_id);
  await announce(SERVER, seen, true);
  expect(shown()).toEqual([]);
  end();
  const endOther = lookAt(SERVER, hidden.task_id);
  await announce(SERVER, hidden, false);
  endOther();
  expect(shown()).toHaveLength(1);
});

test("nothing is told to whoever has not asked for it, or has left", async () => {
  const task = mockGateway.add({});
  watch(SERVER, task.task_id);
  changeSettings({ notify: false });
  await lookForEnds(true);
  expect(shown()).toEqual([]);
  changeSettings({ notify: true });
  watch(SERVER, mockGateway.add({ prompt: "a secret plan" }).task_id);
  await lookForEnds(true);
  expect(shown()).toHaveLength(1);
  await signOut(SERVER);
  expect(shown()).toEqual([]);
  expect(await lookForEnds(true)).toBe(0);
});
