import { act, renderHook, waitFor } from "@testing-library/react-native";
import * as Notifications from "expo-notifications";

import { announce, lookAt, lookForEnds } from "@/notices/announce";
import { forgetNotices, useIsWaiting, watch, watched } from "@/notices/watched";
import { addServer } from "@/servers/servers";
import { signOut } from "@/servers/session";
import { changeSettings } from "@/settings/settings";
import { SERVER, patient, signedIn, startAnew } from "../support/app";
import { Gateway, json } from "../support/gateway";
import { type Shown, shown } from "../setup";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

beforeEach(async () => {
  mockGateway = new Gateway();
  startAnew();
  for (const url of [SERVER, "https://other.example.com"]) await forgetNotices(url);
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

test("tasks that go on do not keep others from being looked at", async () => {
  const running = Array.from({ length: 12 }, () => mockGateway.add({ status: "running" }));
  const ended = mockGateway.add({});
  for (const { task_id: id } of [...running, ended]) watch(SERVER, id);
  // Some at a time, but each gets its turn.
  for (let look = 0; look < 3; look++) await lookForEnds(true);
  expect(shown().map(({ identifier }) => identifier)).toEqual([ended.task_id]);
  const asked = mockGateway.requests.filter((name) => name.startsWith("GET /api/tasks/"));
  expect(new Set(asked).size).toBe(13);
});

test("a server that is away does not hold the others up", async () => {
  const other = "https://other.example.com";
  const { task_id: id } = mockGateway.add({ prompt: "of the other" });
  for (let n = 0; n < 3; n++) watch(SERVER, mockGateway.add({}).task_id);
  await signedIn(other);
  watch(other, id);
  mockGateway.isAwayAt = SERVER;
  expect(await lookForEnds(true)).toBe(3);
  expect(shown().map(({ content }) => content.title)).toEqual(["Completed: of the other"]);
  // One question says as much as three.
  expect(mockGateway.failed).toBe(1);
});

test("two looks at once tell an end once", async () => {
  watch(SERVER, mockGateway.add({}).task_id);
  await Promise.all([lookForEnds(true), lookForEnds(true), lookForEnds(false)]);
  expect(shown()).toHaveLength(1);
});

test("whoever signs out while an answer is on its way is not told, nor while the system shows the notice", async () => {
  const task = mockGateway.add({ prompt: "a secret plan" });
  watch(SERVER, task.task_id);
  let answer: (response: Response) => void = () => undefined;
  mockGateway.answers.set(`GET /api/tasks/${task.task_id}`, () => new Promise((done) => (answer = done)));
  const look = lookForEnds(true);
  await waitFor(() => expect(mockGateway.requests).toContain(`GET /api/tasks/${task.task_id}`), patient);
  await signOut(SERVER);
  answer(json(200, task));
  await look;
  expect(shown()).toEqual([]);

  await signedIn();
  watch(SERVER, task.task_id);
  mockGateway.answers.clear();
  let show: () => void = () => undefined;
  const slow = jest.spyOn(Notifications, "scheduleNotificationAsync").mockImplementation(async (notice) => {
    await new Promise<void>((done) => (show = done));
    shown().push(notice as unknown as Shown);
    return "";
  });
  const late = lookForEnds(true);
  await waitFor(() => expect(slow).toHaveBeenCalled(), patient);
  await signOut(SERVER);
  show();
  await late;
  slow.mockRestore();
  expect(shown()).toEqual([]);
});

test("what runs at another server than the one that is shown is waited for too, until somebody signs out there", async () => {
  const other = "https://other.example.com";
  await signedIn(other);
  const { result, unmount } = renderHook(() => useIsWaiting());
  expect(result.current).toBe(false);
  act(() => watch(SERVER, mockGateway.add({ status: "running" }).task_id));
  expect(result.current).toBe(true);
  act(() => addServer("https://third.example.com"));
  expect(result.current).toBe(true);
  await act(() => signOut(SERVER));
  expect(result.current).toBe(false);
  unmount();
});
