// @vitest-environment node
import { AbortError, type StreamOptions, type TaskEvent } from "@codex-remote/sdk";
import { LiveTask } from "@codex-remote/view";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test, vi } from "vitest";

const ts = "2026-01-01T00:00:00Z";
const status: TaskEvent = { type: "status", data: { state: "completed", ts } };
const done: TaskEvent = { type: "done", data: { state: "completed", exit_code: 0 } };
const log = (id: number): TaskEvent => ({ type: "log", id, data: { line: `line ${id}`, ts, stream: "stdout" } });

/** A gateway that sends these events, and then nothing until the caller goes. */
const sending = (events: TaskEvent[]) => ({
  async *batches(_id: string, { signal }: StreamOptions = {}): AsyncGenerator<TaskEvent[], void, undefined> {
    yield events;
    if (events.at(-1)?.type === "done") return;
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
    throw new AbortError("stopped by the caller");
  },
});

beforeEach(() => {
  vi.resetModules();
  vi.stubGlobal("indexedDB", new IDBFactory());
});

/** Opens the page of the task and leaves it when `count` lines have come. */
async function visit(shelf: InstanceType<(typeof import("../src/lib/offline/shelf"))["Shelf"]>, events: TaskEvent[], count: number): Promise<void> {
  const task = new LiveTask(sending(events), "t-1", { bufferLines: 1_000, keeper: shelf });
  await vi.waitFor(() => expect(task.view().terminal.lines).toHaveLength(count), { timeout: 30_000 });
  task.close();
}

test("who leaves a page while its log still loads keeps the longer copy from before", async () => {
  const { Shelf } = await import("../src/lib/offline/shelf");
  const shelf = new Shelf("somebody");
  await visit(shelf, [status, log(1), log(2), log(3), done], 3);
  await vi.waitFor(async () => expect((await shelf.read("t-1"))?.value.lines).toHaveLength(3), { timeout: 30_000 });
  await visit(shelf, [status, log(1)], 1);
  // What is written after it stands for the end of everything before.
  await shelf.writeTask("t-1", "task", {});
  expect((await shelf.read("t-1"))?.value.lines.map((line) => line.text)).toEqual(["line 1", "line 2", "line 3"]);
  expect((await shelf.read("t-1"))?.value.done).not.toBeNull();
});

test("a copy that goes further takes the place of the one before", async () => {
  const { Shelf } = await import("../src/lib/offline/shelf");
  const shelf = new Shelf("somebody");
  await visit(shelf, [status, log(1)], 1);
  await visit(shelf, [status, log(1), log(2)], 2);
  await vi.waitFor(async () => expect((await shelf.read("t-1"))?.value.lines).toHaveLength(2), { timeout: 30_000 });
});
