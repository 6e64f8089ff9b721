import pkg from "../../package.json";
import { changeSettings } from "@/settings/settings";
import { watch } from "@/notices/watched";
import { SERVER, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";
import { shown } from "../setup";

/** The app as the system starts it to look for ended tasks: the entry runs, and nothing is drawn, so no route is loaded. */

const mockTasks = new Map<string, () => Promise<unknown>>();
const mockRegistered = new Set<string>();
const mockExpire = new Set<() => void>();
jest.mock("expo-router/entry", () => ({}));
jest.mock("expo-task-manager", () => ({
  defineTask: (name: string, run: () => Promise<unknown>) => mockTasks.set(name, run),
  isTaskRegisteredAsync: (name: string) => Promise.resolve(mockRegistered.has(name)),
}));
jest.mock("expo-background-task", () => ({
  BackgroundTaskResult: { Success: 1 },
  registerTaskAsync: (name: string) => Promise.resolve(mockRegistered.add(name)),
  unregisterTaskAsync: (name: string) => Promise.resolve(mockRegistered.delete(name)),
  addExpirationListener: (listener: () => void) => {
    mockExpire.add(listener);
    return { remove: () => mockExpire.delete(listener) };
  },
}));

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

beforeEach(async () => {
  jest.requireActual(`../../${pkg.main}`);
  mockGateway = new Gateway();
  mockRegistered.clear();
  shown().splice(0);
  startAnew();
  changeSettings({ notify: true });
  await signedIn();
});

const run = () => [...mockTasks.values()][0]?.();

test("the entry defines what the system may call for", async () => {
  expect([...mockTasks.keys()]).toEqual(["look-for-ends"]);
  mockRegistered.add("look-for-ends");
  watch(SERVER, mockGateway.add({ prompt: "Paint the fence" }).task_id);
  expect(await run()).toBe(1);
  expect(shown()).toHaveLength(1);
  // Nothing is left to wake up for.
  expect(mockRegistered.size).toBe(0);
  expect(mockExpire.size).toBe(0);
});

test("when the time is over, nothing more is asked, and the tasks stay watched", async () => {
  mockRegistered.add("look-for-ends");
  for (const prompt of ["one", "two", "three"]) watch(SERVER, mockGateway.add({ prompt }).task_id);
  const before = mockGateway.requests.length;
  // Whichever is asked for first: its answer does not come before the system says that it is enough.
  for (const { task_id: id } of mockGateway.tasks) {
    mockGateway.answers.set(`GET /api/tasks/${id}`, async () => {
      mockExpire.forEach((listener) => listener());
      throw new TypeError("aborted");
    });
  }
  await run();
  expect(mockGateway.requests.length - before).toBe(1);
  expect(mockRegistered.size).toBe(1);
  expect(shown()).toEqual([]);
});
