import { expect, test } from "vitest";

import { seeded } from "../../e2e/node/proxy.js";
import { type RawEvent, SseParser } from "../src/sse.js";

function parsed(...pieces: string[]): RawEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

test("events have names, numbers and data", () => {
  expect(parsed("event: log\nid: 17\ndata: {}\n\n")).toEqual([{ name: "log", id: "17", data: "{}" }]);
  expect(parsed("data: a\ndata:b\ndata:  c\n\n")).toEqual([{ name: "message", id: null, data: "a\nb\n c" }]);
  expect(parsed(":\n\n: comment\n\nevent: x\n\n")).toEqual([]);
  expect(parsed("id\ndata\n\n")).toEqual([{ name: "message", id: "", data: "" }]);
});

test("an event that is not finished is none", () => {
  expect(parsed("event: log\nid: 1\ndata: {}\n")).toEqual([]);
  expect(parsed("data: 1\n\ndata: 2\n")).toHaveLength(1);
});

test("names and numbers do not leak into the next event", () => {
  expect(parsed("event: a\nid: 1\ndata: x\n\ndata: y\n\n")[1]).toEqual({ name: "message", id: null, data: "y" });
});

test("the wait between connections is understood, and only where it is a number", () => {
  const parser = new SseParser();
  parser.push("retry: 250\nretry: soon\n\n");
  expect(parser.retry).toBe(250);
});

const text = "\uFEFFevent: log\r\nid: 1\r\ndata: a\r\n\r\n:\n\nid: 2\ndata: \u2028é\ndata: b\n\nretry: 5\rid: 3\rdata: c\r\rdata: d\n\n";

test("all line ends are the same, wherever the text is cut", () => {
  const whole = parsed(text);
  expect(whole.map((event) => event.data)).toEqual(["a", "\u2028é\nb", "c", "d"]);
  for (let cut = 0; cut <= text.length; cut++) {
    expect(parsed(text.slice(0, cut), text.slice(cut)), `cut at ${cut}`).toEqual(whole);
  }
  expect(parsed(...Array.from(text))).toEqual(whole);
});

test("random streams come out as they went in", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seeded(seed);
    const pick = (most: number) => Math.floor(random() * most);
    const events = Array.from({ length: pick(20) }, (_, index) => ({ name: "log", id: String(index), data: "x:y ".repeat(pick(200)).trim() }));
    let stream = "";
    for (const { name, id, data } of events) {
      stream += `${pick(3) === 0 ? ":\n\n" : ""}event: ${name}\nid: ${id}\ndata: ${data}\n\n`;
    }
    const pieces: string[] = [];
    while (stream) {
      const cut = 1 + pick(64);
      pieces.push(stream.slice(0, cut));
      stream = stream.slice(cut);
    }
    expect(parsed(...pieces), `seed ${seed}`).toEqual(events);
  }
});

test("a long event in many pieces costs no more than its length", () => {
  const parser = new SseParser();
  const started = performance.now();
  parser.push("data: ");
  for (let piece = 0; piece < 8_000; piece++) parser.push("x".repeat(1_000));
  expect(parser.push("\n\n")[0]?.data).toHaveLength(8_000_000);
  expect(performance.now() - started).toBeLessThan(5_000);
});
