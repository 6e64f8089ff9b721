/** What a message looks like. */
import { Timeline } from "@codex-remote/view";
import { fireEvent, render, screen, waitFor, within } from "@testing-library/react-native";
import { Linking } from "react-native";

import { FEW as FEW_LINES } from "@/live/markdown/code-block";
import { MarkdownView } from "@/live/markdown/markdown-view";
import { PART } from "@/live/markdown/parts";
import { FEW as FEW_ROWS } from "@/live/markdown/table";
import { TimelineRow } from "@/live/timeline-row";
import { palettes } from "@/ui/theme";
import { patient } from "../support/app";
import { item } from "./support";

const mockCopied = jest.fn<Promise<void>, [string]>(async () => {});
jest.mock("expo-clipboard", () => ({ setStringAsync: (text: string) => mockCopied(text) }));

test("a table has named columns, and its cells are read with them", () => {
  render(<MarkdownView text={"| File | Lines |\n|---|--:|\n| `a.rs` | 12 |\n| b.rs | **3** |"} />);
  expect(screen.getByLabelText("Table of 2 rows")).toBeTruthy();
  expect(screen.getByText("File")).toBeTruthy();
  expect(screen.getByLabelText("File: a.rs")).toHaveTextContent("a.rs");
  expect(screen.getByLabelText("Lines: 3")).toHaveStyle({ textAlign: "right" });
});

test("a long table is shown in part", () => {
  const rows = Array.from({ length: FEW_ROWS + 5 }, (_, index) => `| r${index} |`).join("\n");
  render(<MarkdownView text={`| a |\n|---|\n${rows}`} />);
  expect(screen.queryByText(`r${FEW_ROWS}`)).toBeNull();
  fireEvent.press(screen.getByRole("button", { name: `Show all ${FEW_ROWS + 5} rows` }));
  expect(screen.getByText(`r${FEW_ROWS + 4}`)).toBeTruthy();
});

test("code has the name of its language, colours and a button that copies it", async () => {
  render(<MarkdownView text={'Look:\n\n```rust\nfn main() {\n    println!("hi");\n}\n```'} />);
  const block = within(screen.getByTestId("code"));
  expect(block.getByText("rust")).toBeTruthy();
  expect(block.getByText("fn")).toHaveStyle({ color: palettes.light.accent });
  expect(block.getByText('"hi"')).toHaveStyle({ color: palettes.light.good });
  fireEvent.press(block.getByRole("button", { name: "Copy the code" }));
  await waitFor(() => expect(mockCopied).toHaveBeenLastCalledWith('fn main() {\n    println!("hi");\n}'), patient);
});

test("long code is shown in part, and unknown languages as they are", () => {
  const lines = Array.from({ length: FEW_LINES + 3 }, (_, index) => `line ${index}`);
  render(<MarkdownView text={`\`\`\`nonsense\n${lines.join("\n")}\n\`\`\``} />);
  expect(screen.queryByText(new RegExp(`line ${FEW_LINES + 2}$`))).toBeNull();
  fireEvent.press(screen.getByRole("button", { name: `Show all ${FEW_LINES + 3} lines` }));
  expect(screen.getByText(new RegExp(`line ${FEW_LINES + 2}$`))).toBeTruthy();
});

test("tasks say whether they are done, and text is struck", () => {
  render(<MarkdownView text={"- [x] one\n- [ ] ~~two~~\n\n2. three"} />);
  expect(screen.getByLabelText("done")).toBeTruthy();
  expect(screen.getByLabelText("to do")).toBeTruthy();
  expect(screen.getByText("two")).toHaveStyle({ textDecorationLine: "line-through" });
  expect(screen.getByText("2.")).toBeTruthy();
});

test("a link opens by a touch, and says where it leads", () => {
  const open = jest.spyOn(Linking, "openURL").mockResolvedValue(true);
  render(<MarkdownView text={"[**docs**](https://x.example/y) and ![pic](https://x.example/p.png)"} />);
  const link = screen.getAllByRole("link")[0]!;
  expect(link).toHaveProp("accessibilityHint", "https://x.example/y");
  fireEvent.press(screen.getByText("docs"));
  expect(open).toHaveBeenCalledWith("https://x.example/y");
  fireEvent.press(screen.getByText("pic"));
  expect(open).toHaveBeenLastCalledWith("https://x.example/p.png");
});

test("a long message comes in parts; what was shown stays when more is written", () => {
  const text = Array.from({ length: 800 }, (_, index) => `paragraph **${index}** of many\n\n`).join("");
  render(<MarkdownView text={text} />);
  expect(screen.queryByText("799")).toBeNull();
  while (screen.queryByRole("button", { name: /^Show more/ })) fireEvent.press(screen.getByRole("button", { name: /^Show more/ }));
  expect(screen.getByText("799")).toBeTruthy();
  expect(text.length).toBeGreaterThan(2 * PART);
  screen.rerender(<MarkdownView text={`${text}the end`} />);
  expect(screen.getByText("the end")).toBeTruthy();
  expect(screen.getByText("0")).toBeTruthy();
});

test("what was opened in a row is not open in the one that takes its place", () => {
  const timeline = new Timeline();
  const output = (id: number) => item(id, { type: "item.completed", item: { id: `item_${id}`, type: "command_execution", command: "x", aggregated_output: Array.from({ length: 20 }, (_, line) => `${id}-${line}\n`).join(""), exit_code: 0, status: "completed" } });
  timeline.add(output(1));
  timeline.add(output(2));
  const [one, two] = timeline.rows;
  render(<TimelineRow row={one!} isMarked={false} />);
  fireEvent.press(screen.getByRole("button", { name: "Show all 20 lines" }));
  expect(screen.getByText("1-0")).toBeTruthy();
  screen.rerender(<TimelineRow row={two!} isMarked={false} />);
  expect(screen.getByText("2-19")).toBeTruthy();
  expect(screen.queryByText("2-0")).toBeNull();
});
