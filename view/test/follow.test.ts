import { expect, test } from "vitest";

import { Follow } from "../src/follow.js";

const visible = 100;

test("what is added does not end the following; a reader who scrolls up does", () => {
  const follow = new Follow(true);
  expect(follow.moved({ top: 900, height: 1_000, visible })).toBe(true);
  // More has come below: the view stands where it stood.
  expect(follow.moved({ top: 900, height: 2_000, visible })).toBe(true);
  expect(follow.moved({ top: 700, height: 2_000, visible })).toBe(false);
  // Down, but not to the end: still left to the reader.
  expect(follow.moved({ top: 1_500, height: 2_000, visible })).toBe(false);
  expect(follow.moved({ top: 1_880, height: 2_000, visible })).toBe(true);
});

test("less than a pixel upwards is the rounding of a browser, and bouncing at the end is no reader", () => {
  const follow = new Follow(true);
  follow.moved({ top: 500, height: 2_000, visible });
  expect(follow.moved({ top: 499.5, height: 2_000, visible })).toBe(true);
  follow.moved({ top: 1_960, height: 2_000, visible });
  expect(follow.moved({ top: 1_900, height: 2_000, visible })).toBe(true);
});

test("a view that begins elsewhere stays there until its end is reached", () => {
  const follow = new Follow(false);
  expect(follow.moved({ top: 10, height: 2_000, visible })).toBe(false);
  expect(follow.moved({ top: 1_900, height: 2_000, visible })).toBe(true);
});
