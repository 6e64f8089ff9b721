/** What a stream looks like. */
import "../support/lists";

import { type LiveView, Terminal, Timeline } from "@codex-remote/view";
import { act, fireEvent, render, renderHook, screen } from "@testing-library/react-native";
import { createRef } from "react";

import { blockOf, blocksOfLines } from "@/live/terminal-block";
import { TerminalPanel } from "@/live/terminal-panel";
import { TimelinePanel } from "@/live/timeline-panel";
import { type Scroller, useFollow } from "@/live/use-follow";
import { nextProblem } from "@/live/use-terminal";
import { done, item, log } from "./support";

const mockCopied = jest.fn<Promise<void>, [string]>(async () => {});
jest.mock("expo-clipboard", () => ({ setStringAsync: (text: string) => mockCopied(text) }));

let version = 0;
function viewOf(events: Parameters<Timeline["add"]>[0][], more: Partial<LiveView> = {}): LiveView {
  const [timeline, terminal] = [new Timeline(), new Terminal(1_000)];
  for (const event of events) {
    timeline.add(event);
    terminal.add(event);
  }
  return { version: ++version, status: null, done: null, connection: { state: "live", transport: "sse" }, timeline, terminal, savedAt: null, ...more };
}

const command = (id: number, text: string, exit: number) =>
  item(id, { type: "item.completed", item: { id: `item_${id}`, type: "command_execution", command: `/bin/bash -lc '${text}'`, aggregated_output: "out\n", exit_code: exit, status: exit ? "failed" : "completed" } });

describe("the timeline", () => {
  test("shows typed items, and a failed one as such", () => {
    render(<TimelinePanel live={viewOf([item(1, { type: "item.completed", item: { id: "item_0", type: "agent_message", text: "All **good**." } }), command(2, "make test", 2)])} state="running" />);
    expect(screen.getByText("good")).toBeTruthy();
    expect(screen.getByText(/make test/)).toBeTruthy();
    expect(screen.getByText("exit 2")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Next error (1)" })).toBeTruthy();
  });

  test("grows with the stream, although its rows are the same array", () => {
    const live = viewOf([log(1, "first")]);
    render(<TimelinePanel live={live} state="running" />);
    live.timeline.add(item(2, { type: "item.completed", item: { id: "item_0", type: "agent_message", text: "second" } }));
    screen.rerender(<TimelinePanel live={{ ...live, version: ++version }} state="running" />);
    expect(screen.getByText("second")).toBeTruthy();
  });

  test("says why it is empty", () => {
    render(<TimelinePanel live={viewOf([])} state="queued" />);
    expect(screen.getByText("The task waits for its turn.")).toBeTruthy();
  });

  test("copies what a row says", async () => {
    render(<TimelinePanel live={viewOf([command(1, "make test", 0)])} state="running" />);
    fireEvent.press(screen.getByRole("button", { name: "Copy" }));
    await act(async () => {});
    expect(mockCopied).toHaveBeenLastCalledWith("$ make test\nout\n");
    expect(screen.getByRole("button", { name: "Copied" })).toBeTruthy();
  });
});

describe("the terminal", () => {
  const panel = (live: LiveView) => <TerminalPanel live={live} onShareLog={async () => {}} />;

  test("has the lines with their numbers, and their colours as text", () => {
    render(panel(viewOf([log(1, "plain"), log(2, "\u001b[31mred\u001b[0m end")])));
    expect(screen.getByText("plain")).toBeTruthy();
    expect(screen.getByText("red")).toBeTruthy();
    expect(screen.queryByText("\u001b", { exact: false })).toBeNull();
  });

  test("finds, counts and marks", () => {
    render(panel(viewOf([log(1, "An ERROR"), log(2, "fine"), log(3, "an error")])));
    fireEvent.changeText(screen.getByLabelText("Search in the log"), "error");
    expect(screen.getByText("0 of 2")).toBeTruthy();
    expect(screen.getByText("ERROR")).toBeTruthy();
    fireEvent.press(screen.getByRole("button", { name: "Next match" }));
    expect(screen.getByText("1 of 2")).toBeTruthy();
    fireEvent.press(screen.getByRole("button", { name: "Previous match" }));
    expect(screen.getByText("2 of 2")).toBeTruthy();
  });

  test("while it is paused nothing is added; what waits is counted", () => {
    const live = viewOf([log(1, "first")]);
    render(panel(live));
    fireEvent.press(screen.getByRole("button", { name: "Pause" }));
    live.terminal.add(log(2, "second"));
    screen.rerender(panel({ ...live, version: ++version }));
    expect(screen.queryByText("second")).toBeNull();
    fireEvent.press(screen.getByRole("button", { name: "Resume · 1 new" }));
    expect(screen.getByText("second")).toBeTruthy();
  });

  test("of a task that has ended there is nothing to pause", () => {
    render(panel(viewOf([log(1)], { done: done.type === "done" ? done.data : null })));
    expect(screen.queryByRole("button", { name: "Pause" })).toBeNull();
  });

  test("all that is there can be copied", async () => {
    render(panel(viewOf([log(1, "one"), log(2, "two")])));
    fireEvent.press(screen.getByRole("button", { name: "Copy all" }));
    await act(async () => {});
    expect(mockCopied).toHaveBeenLastCalledWith("one\ntwo");
  });

  test("errors are gone through one after the other, and from the beginning again", () => {
    const { lines } = viewOf([log(1), command(2, "false", 1), log(3), command(4, "false", 1)]).terminal;
    const bad = lines.flatMap((line, index) => (line.kind === "bad" ? [index + 100] : []));
    expect(bad).toHaveLength(2);
    expect(nextProblem(lines, 100, -1)).toBe(bad[0]);
    expect(nextProblem(lines, 100, bad[0]!)).toBe(bad[1]);
    expect(nextProblem(lines, 100, bad[1]!)).toBe(bad[0]);
    expect(nextProblem([], 0, -1)).toBeNull();
  });
});

describe("a list that follows its end", () => {
  const scroll = (y: number, height: number) => ({ nativeEvent: { contentOffset: { x: 0, y }, contentSize: { width: 1, height }, layoutMeasurement: { width: 1, height: 100 } } }) as never;

  test("goes there with each addition, until the reader scrolls up, and again from the end on", () => {
    const scrollToEnd = jest.fn();
    const list = createRef<Scroller>() as { current: Scroller };
    list.current = { scrollToEnd };
    const { result } = renderHook(() => useFollow(list, true));
    act(() => result.current.handlers.onContentSizeChange());
    expect(scrollToEnd).toHaveBeenCalledTimes(1);
    act(() => result.current.handlers.onScroll(scroll(900, 1_000)));
    act(() => result.current.handlers.onScroll(scroll(500, 1_000)));
    expect(result.current.isFollowing).toBe(false);
    act(() => result.current.handlers.onContentSizeChange());
    expect(scrollToEnd).toHaveBeenCalledTimes(1);
    act(() => result.current.follow(true));
    expect(scrollToEnd).toHaveBeenCalledTimes(2);
    expect(result.current.isFollowing).toBe(true);
  });
});

describe("lines in blocks", () => {
  const lines = Array.from({ length: 25 }, (_, index) => ({ text: String(index), kind: "out" as const }));
  const numbers = (dropped: number) => blocksOfLines(lines, dropped).map(({ id, from, lines }) => [id, from, lines.length]);

  test("every line is in one of them, and stays in it when older lines are let go", () => {
    expect(numbers(0)).toEqual([[0, 0, 10], [1, 10, 10], [2, 20, 5]]);
    expect(numbers(13)).toEqual([[1, 13, 7], [2, 20, 10], [3, 30, 8]]);
    expect(blocksOfLines([], 7)).toEqual([]);
  });

  test("the block of a line is found", () => {
    for (const dropped of [0, 13]) {
      const blocks = blocksOfLines(lines, dropped);
      for (let number = dropped; number < dropped + lines.length; number++) {
        const { from, lines } = blocks[blockOf(number, dropped)]!;
        expect(number >= from && number < from + lines.length).toBe(true);
      }
    }
  });
});
