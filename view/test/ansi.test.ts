import { expect, test } from "vitest";

import { marked, spans } from "../src/ansi.js";

test("colours and decorations have names, and the text is whole", () => {
  expect(spans("\u001b[1;31mbad\u001b[0m fine")).toEqual([
    { text: "bad", foreground: "ansi-red", background: null, decorations: ["bold"] },
    { text: " fine", foreground: null, background: null, decorations: [] },
  ]);
});

test("what steers a terminal is gone, also in lines without colours", () => {
  expect(spans("\u001b]0;title\u0007a\u001b[2Kb\u001b[10;5Hc\u0008\u0000d").map((span) => span.text)).toEqual(["abcd"]);
  expect(spans("")[0]?.text).toBe("\u200b");
});

test("what is searched for is found in any case, as often as it stands there", () => {
  expect(marked("An ERROR, an error", "error")).toEqual([
    { text: "An ", isHit: false },
    { text: "ERROR", isHit: true },
    { text: ", an ", isHit: false },
    { text: "error", isHit: true },
  ]);
  expect(marked("nothing", "")).toEqual([{ text: "nothing", isHit: false }]);
  expect(marked("aaaa", "aa").map((part) => part.isHit)).toEqual([true, true]);
});
