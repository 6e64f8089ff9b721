import type { CodexEvent, TaskEvent } from "@codex-remote/sdk";
import { describe, expect, test } from "vitest";

import { findRows, textOf } from "../src/row-text.js";
import { Timeline, isProblem, plainMessage } from "../src/rows.js";
import { Search } from "../src/search.js";
import { Terminal, plainCommand } from "../src/terminal.js";

let next = 1;
const item = (data: CodexEvent): TaskEvent => ({ type: "item", id: next++, data: { ts: "2026-01-01T00:00:00Z", ...data } });
const log = (line: string, stream: "stdout" | "stderr" = "stdout"): TaskEvent => ({ type: "log", id: next++, data: { line, ts: "2026-01-01T00:00:00Z", stream } });
const command = (type: "item.started" | "item.completed", output = "", exit: number | null = null): TaskEvent =>
  item({ type, item: { id: "item_0", type: "command_execution", command: "/bin/bash -lc 'make test'", aggregated_output: output, exit_code: exit, status: exit === null ? "in_progress" : exit ? "failed" : "completed" } });

function both(events: TaskEvent[], most = 1000) {
  const timeline = new Timeline();
  const terminal = new Terminal(most);
  for (const event of events) {
    timeline.add(event);
    terminal.add(event);
  }
  return { timeline, terminal, text: terminal.lines.map((line) => line.text) };
}

describe("the timeline", () => {
  test("an item that goes on stays one row, and becomes a new object", () => {
    const timeline = new Timeline();
    timeline.add(command("item.started"));
    const [before] = timeline.rows;
    timeline.add(command("item.completed", "ok\n", 0));
    expect(timeline.rows).toHaveLength(1);
    expect(timeline.rows[0]).not.toBe(before);
    expect(timeline.rows[0]).toMatchObject({ isOpen: false, item: { exit_code: 0 }, id: before!.id });
  });

  test("items of another turn are other rows, although Codex counts them from 0 again", () => {
    const { timeline } = both([command("item.started"), item({ type: "turn.started" }), command("item.completed", "", 0), command("item.completed", "", 0)]);
    expect(timeline.rows).toHaveLength(3);
  });

  test("lines of output are gathered, and a long log does not become one row", () => {
    const { timeline } = both([...Array.from({ length: 1200 }, (_, index) => log(`line ${index}`)), command("item.started"), log("more")]);
    expect(timeline.rows.map((row) => (row.kind === "output" ? row.lines.length : row.kind))).toEqual([500, 500, 200, "item", 1]);
  });

  test("what went wrong is found", () => {
    const { timeline } = both([
      command("item.completed", "bad\n", 2),
      item({ type: "item.completed", item: { id: "item_1", type: "error", message: "no" } }),
      item({ type: "item.completed", item: { id: "item_2", type: "agent_message", text: "fine" } }),
      item({ type: "turn.failed", error: { message: "quota" } }),
      { type: "gap", id: next++, data: { count: 3, from: 1 } },
    ]);
    expect(timeline.rows.map(isProblem)).toEqual([true, true, false, true, true]);
  });

  test("a mistake of the model reads like a sentence", () => {
    expect(plainMessage('{"error":{"message":"You have no quota left.","code":null}}')).toBe("You have no quota left.");
    expect(plainMessage('{"message":"No such model"}')).toBe("No such model");
    for (const text of ["plain", "{broken", '{"error":null}', '{"error":{"message":7}}']) expect(plainMessage(text)).toBe(text);
  });

  test("tokens are those of the last turn: Codex counts the whole thread", () => {
    const usage = (input: number) => item({ type: "turn.completed", usage: { input_tokens: input, cached_input_tokens: 0, output_tokens: 1 } });
    expect(both([usage(10), usage(30)]).timeline.usage?.input_tokens).toBe(30);
  });
});

describe("a search in the timeline", () => {
  test("finds what rows say, in any case, also what was added to a row", () => {
    const timeline = new Timeline();
    timeline.add(command("item.started"));
    timeline.add(item({ type: "item.completed", item: { id: "item_1", type: "agent_message", text: "All Tests pass" } }));
    timeline.add(log("one"));
    expect(findRows(timeline.rows, "TEST")).toEqual([0, 1]);
    expect(findRows(timeline.rows, "two")).toEqual([]);
    timeline.add(log("two"));
    timeline.add(command("item.completed", "two tests\n", 0));
    expect(findRows(timeline.rows, "two")).toEqual([0, 2]);
    expect(findRows(timeline.rows, "")).toEqual([]);
  });

  test("what is copied of a row reads like a terminal", () => {
    const { timeline } = both([command("item.completed", "ok\n", 0), log("a"), log("b")]);
    expect(timeline.rows.map(textOf)).toEqual(["$ make test\nok\n", "a\nb"]);
  });
});

describe("the terminal", () => {
  test("reads like one", () => {
    const { text } = both([
      command("item.started"),
      command("item.completed", "one\r\ntwo\n", 2),
      log("warning", "stderr"),
      item({ type: "item.completed", item: { id: "item_1", type: "agent_message", text: "a\nb" } }),
    ]);
    expect(text).toEqual(["$ make test", "one", "two", "exit code 2", "warning", "a", "b"]);
  });

  test("a progress bar shows how it ended", () => {
    expect(both([log("10 %\r50 %\r100 %")]).text).toEqual(["100 %"]);
    expect(both([log("plain\r")]).text).toEqual(["plain"]);
  });

  test("keeps as many lines as allowed, and their numbers", () => {
    const { terminal } = both(Array.from({ length: 2_000 }, (_, index) => log(String(index))), 100);
    expect(terminal.lines.length).toBeLessThanOrEqual(110);
    expect(terminal.lines[0]?.text).toBe(String(terminal.dropped));
    expect(terminal.lines.at(-1)?.text).toBe("1999");
  });

  test("commands lose the shell around them", () => {
    expect(plainCommand("/bin/bash -lc 'make test'")).toBe("make test");
    expect(plainCommand("bash -lc ls")).toBe("ls");
    expect(plainCommand(`/bin/sh -c "a 'b'"`)).toBe("a 'b'");
    expect(plainCommand("cargo test")).toBe("cargo test");
    // Codex quotes each part in the way that suits it.
    expect(plainCommand(`/bin/bash -lc "printf 'a%.0s' "'$(seq 1 9); echo'`)).toBe("printf 'a%.0s' $(seq 1 9); echo");
    expect(plainCommand(`bash -lc 'it'"'"'s \\n'`)).toBe("it's \\n");
    expect(plainCommand(`bash -lc "say \\"hi\\" \\$HOME"`)).toBe('say "hi" $HOME');
    expect(plainCommand("bash -lc make test")).toBe("make test");
    expect(plainCommand("bash -lc 'never closed")).toBe("'never closed");
  });
});

test("a search looks at each line once, and forgets those that are gone", () => {
  const terminal = new Terminal(100);
  const search = new Search("Nine");
  const look = () => search.look(terminal.lines, terminal.dropped);
  for (let index = 0; index < 50; index++) terminal.add(log(index % 10 === 9 ? "a nine" : "other"));
  look();
  expect(search.hits).toEqual([9, 19, 29, 39, 49]);
  look();
  expect(search.hits).toHaveLength(5);
  for (let index = 0; index < 100; index++) terminal.add(log("other"));
  look();
  expect(search.hits.every((hit) => hit >= terminal.dropped)).toBe(true);
  terminal.add(log("NINE"));
  look();
  expect(search.hits.at(-1)).toBe(150);
});
