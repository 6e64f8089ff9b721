import { blocksOf } from "@/live/markdown";

const kinds = (text: string) => blocksOf(text).map((block) => block.kind);

test("headings, lists, quotes, code and paragraphs", () => {
  expect(kinds("# Title\n\nSome\ntext\n- one\n  - two\n1. three\n> said\n```sh\n# no heading\n```\nend")).toEqual(["heading", "paragraph", "item", "item", "item", "quote", "code", "paragraph"]);
  expect(blocksOf("  - two")).toEqual([{ kind: "item", depth: 1, marker: "•", text: [{ kind: "text", text: "two" }] }]);
  expect(blocksOf("3) three")).toMatchObject([{ marker: "3)" }]);
});

test("code that is still being written is code already", () => {
  expect(blocksOf("```\nlet x")).toEqual([{ kind: "code", text: "let x" }]);
});

test("emphasis, code and links inside of a line; what only looks like it stays text", () => {
  expect(blocksOf("a **b** `c*d*` *e* [f](https://x.example/y)")).toEqual([
    {
      kind: "paragraph",
      text: [
        { kind: "text", text: "a " },
        { kind: "strong", text: "b" },
        { kind: "text", text: " " },
        { kind: "code", text: "c*d*" },
        { kind: "text", text: " " },
        { kind: "emphasis", text: "e" },
        { kind: "text", text: " " },
        { kind: "link", text: "f", url: "https://x.example/y" },
      ],
    },
  ]);
  expect(blocksOf("2 * 3 * 4")).toEqual([{ kind: "paragraph", text: [{ kind: "text", text: "2 * 3 * 4" }] }]);
});

test("only addresses of the web can be opened", () => {
  for (const url of ["javascript:alert(1)", "file:///etc/passwd", "codex://task/1", "src/main.rs:3"]) {
    expect(JSON.stringify(blocksOf(`[x](${url})`))).not.toContain("link");
  }
});
