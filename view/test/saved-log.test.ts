import { expect, test } from "vitest";

import type { Row } from "../src/rows.js";
import { type SavedLog, merged, sizeOfLine, sizeOfRow, tail } from "../src/saved-log.js";

const line = (text: string) => ({ text, kind: "out" as const });

test("of a long log the end is kept", () => {
  const lines = Array.from({ length: 6_000 }, (_, index) => line(String(index)));
  const kept = tail(lines, sizeOfLine);
  expect(kept).toHaveLength(5_000);
  expect(kept.at(-1)).toBe(lines.at(-1));
  expect(tail(lines.slice(0, 10), sizeOfLine)).toEqual(lines.slice(0, 10));
  expect(tail([], sizeOfLine)).toEqual([]);
});

test("of long lines fewer are kept, but always the last one", () => {
  const long = line("x".repeat(300_000));
  expect(tail([long, long, long], sizeOfLine)).toEqual([long]);
  expect(tail([long, line("y".repeat(1_000_000))], sizeOfLine)).toHaveLength(1);
});

test("rows count with all that is in them", () => {
  const output: Row = { kind: "output", id: 1, ts: "", lines: Array.from({ length: 500 }, () => ({ text: "x".repeat(1_000), stream: "stdout" as const })) };
  const command: Row = { kind: "item", id: 2, ts: "", isOpen: false, item: { id: "item_0", type: "agent_message", text: "z".repeat(100_000) } };
  expect(tail([output, output, command], (row) => sizeOfRow(row))).toEqual([command]);
});

const saved = (count: number, more: Partial<SavedLog> = {}): SavedLog => ({
  rows: [],
  lines: Array.from({ length: count }, (_, index) => line(`line ${index + 1}`)),
  dropped: 0,
  usage: null,
  status: { state: "running", ts: "2026-01-01T00:00:00Z" },
  done: null,
  ...more,
});
const end = { state: "completed" as const, exit_code: 0 };

test("of two copies of a log the one that goes further is kept", () => {
  const [short, long] = [saved(2), saved(5)];
  expect(merged(null, short)).toBe(short);
  expect(merged(short, long)).toBe(long);
  expect(merged(long, short).lines).toBe(long.lines);
  // The end of a long log may have fewer lines in it, and is further on all the same.
  const tailOnly = saved(3, { dropped: 1_000 });
  expect(merged(long, tailOnly)).toBe(tailOnly);
});

test("a whole log gives way to a whole one only, and the state is always the newest", () => {
  const whole = saved(5, { done: end });
  const part = saved(9, { status: { state: "completed", ts: "2026-01-01T00:01:00Z" } });
  expect(merged(whole, part)).toMatchObject({ lines: whole.lines, done: end, status: { state: "completed" } });
  const again = saved(4, { done: end });
  expect(merged(whole, again)).toBe(again);
});
