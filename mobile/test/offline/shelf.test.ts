import type { Row, SavedLog } from "@codex-remote/view";

import { type Card, type Place, Shelf, type Table } from "@/offline/shelf";

const ONE = "https://one.example";
const OTHER = "https://other.example";

/** A table that can be held up in the middle of a write, and can fail. */
class MemoryTable implements Table {
  readonly entries = new Map<string, { card: Card; text: string }>();
  before: () => Promise<void> = async () => {};
  static key = ({ server, subject, part }: Place) => [server, subject, part].join(" ");

  async cards() {
    return [...this.entries.values()].map(({ card }) => card);
  }
  async read(place: Place) {
    const entry = this.entries.get(MemoryTable.key(place));
    return entry ? { text: entry.text, at: entry.card.at } : null;
  }
  async write(card: Card, text: string) {
    await this.before();
    this.entries.set(MemoryTable.key(card), { card, text });
  }
  async remove(places: Place[]) {
    for (const place of places) this.entries.delete(MemoryTable.key(place));
  }
}

const logOf = (count: number, more: Partial<SavedLog> = {}): SavedLog => ({
  rows: [] as Row[],
  lines: Array.from({ length: count }, (_, index) => ({ text: `line ${index + 1}`, kind: "out" as const })),
  dropped: 0,
  usage: null,
  status: null,
  done: null,
  ...more,
});

let table: MemoryTable;
let shelf: Shelf;
let clock = 1_000;
let now: jest.SpyInstance;

beforeEach(() => {
  clock = 1_000;
  table = new MemoryTable();
  shelf = new Shelf(table, { tasks: 3, size: 10_000 });
  now = jest.spyOn(Date, "now").mockImplementation(() => clock++);
});
afterEach(() => now.mockRestore());

const subjects = () => [...new Set([...table.entries.values()].map(({ card }) => card.subject))].sort();

test("what was kept is read as it was, with when that was", async () => {
  const own = shelf.of(ONE);
  await own.keepPart("t-1", "task", { prompt: "x" });
  expect(await own.readPart("t-1", "task")).toEqual({ at: 1_000, value: { prompt: "x" } });
  expect(await own.readPart("t-2", "task")).toBeNull();
  expect(await shelf.of(OTHER).readPart("t-1", "task")).toBeNull();
});

test("a shorter log does not take the place of a longer one", async () => {
  const own = shelf.of(ONE);
  await own.keep("t-1", logOf(3, { done: { state: "completed", exit_code: 0 } }));
  await own.keep("t-1", logOf(1));
  expect((await own.read("t-1"))?.value.lines).toHaveLength(3);
});

test("past the number of tasks, the one goes that was written first, with all of its parts; lists stay", async () => {
  const own = shelf.of(ONE);
  await own.keepList("tasks", ["a list"]);
  for (const id of ["t-1", "t-2", "t-3"]) {
    await own.keepPart(id, "task", id);
    await own.keep(id, logOf(1));
  }
  await own.keepPart("t-1", "patch", "seen again");
  await shelf.of(OTHER).keepPart("t-4", "task", "of another server");
  expect(subjects()).toEqual(["", "t-1", "t-3", "t-4"]);
});

test("past the size, tasks go until there is room, but never the one that was just written", async () => {
  const own = shelf.of(ONE);
  await own.keepPart("t-1", "patch", "x".repeat(4_000));
  await own.keepPart("t-2", "patch", "x".repeat(4_000));
  await own.keepPart("t-3", "patch", "x".repeat(9_000));
  expect(subjects()).toEqual(["t-3"]);
  await own.keepPart("t-4", "patch", "x".repeat(11_000));
  expect(subjects()).toEqual(["t-3"]);
});

test("after a wipe nothing of the server is left, and nothing comes back that was under way", async () => {
  const own = shelf.of(ONE);
  const other = shelf.of(OTHER);
  await own.keepPart("t-1", "task", "secret");
  await other.keepPart("t-2", "task", "stays");
  let goOn = () => {};
  table.before = () => new Promise((done) => (goOn = done));
  const writing = own.keepPart("t-3", "task", "late");
  const waiting = own.keepPart("t-4", "task", "later");
  const wiped = shelf.wipe(ONE);
  // The write that is held has to have begun before it can be let go.
  while (table.entries.size === 2) {
    await Promise.resolve();
    goOn();
  }
  table.before = async () => {};
  await Promise.all([writing, waiting, wiped]);
  await own.keepPart("t-5", "task", "too late");
  expect(subjects()).toEqual(["t-2"]);
  expect(await own.readPart("t-1", "task")).toBeNull();
  await shelf.of(ONE).keepPart("t-6", "task", "of the next session");
  expect(subjects()).toEqual(["t-2", "t-6"]);
});

test("a device that cannot keep anything breaks nothing", async () => {
  table.before = async () => {
    throw new Error("the disk is full");
  };
  const own = shelf.of(ONE);
  await own.keepPart("t-1", "task", "x");
  expect(await own.readPart("t-1", "task")).toBeNull();
  table.before = async () => {};
  await own.keepPart("t-1", "task", "x");
  expect((await own.readPart("t-1", "task"))?.value).toBe("x");
});

test("what an older release or a broken file left counts as nothing", async () => {
  await table.write({ server: ONE, subject: "t-1", part: "log", size: 3, at: 1 }, "{no");
  expect(await shelf.of(ONE).read("t-1")).toBeNull();
});
