import { expect, test } from "vitest";

import type { Row } from "../src/rows.js";
import { sizeOfLine, sizeOfRow, tail } from "../src/saved-log.js";

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
