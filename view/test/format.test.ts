import { expect, test } from "vitest";

import { ago, clockTime, duration, firstLine, short, size } from "../src/format.js";

const now = Date.parse("2026-03-04T12:00:00Z");
const at = (seconds: number) => new Date(now + seconds * 1000).toISOString();

test("times read as Intl would write them, which Hermes does not have", () => {
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
  for (const [unit, length] of [["second", 1], ["minute", 60], ["hour", 3_600], ["day", 86_400]] as const) {
    for (const many of unit === "second" ? [7, 59] : [1, 2, 23]) {
      expect(ago(at(-many * length), now)).toBe(relative.format(-many, unit));
      expect(ago(at(many * length), now)).toBe(relative.format(many, unit));
    }
  }
  expect(ago(at(-4), now)).toBe("now");
  expect(ago(at(-90), now)).toBe("1 min. ago");
  expect(ago(at(-40 * 86_400), now)).toBe("40 days ago");
});

test("large numbers are short, as Intl would write them", () => {
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  for (const value of [0, 7, 999, 1_000, 1_049, 12_345, 99_960, 999_940, 999_960, 1_234_567, 5_400_000_000]) {
    expect(short(value)).toBe(compact.format(value));
  }
});

test("bytes are in the unit that fits", () => {
  expect([0, 999, 1_000, 9_400, 12_345, 1_500_000, 42_000_000, 3_200_000_000].map(size)).toEqual(["0 bytes", "999 bytes", "1.0 KB", "9.4 KB", "12 KB", "1.5 MB", "42 MB", "3.2 GB"]);
});

test("durations have two units at most", () => {
  expect([0, 59.9, 75, 3_600, 7_325, -3].map(duration)).toEqual(["0 s", "59 s", "1 min 15 s", "1 h 0 min", "2 h 2 min", "0 s"]);
});

test("the first line is the first that says something", () => {
  expect(firstLine("\n  Fix it\nnow")).toBe("Fix it");
  expect(firstLine("")).toBe("");
});

test("the first hour of a day is 00", () => {
  expect(clockTime(new Date(2026, 0, 2, 0, 5, 6).toISOString())).toBe("00:05:06");
});
