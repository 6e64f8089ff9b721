import { type Block, blocksOf, plain } from "@/live/markdown/parse";
import { PART, partsOf } from "@/live/markdown/parts";

/** Blocks as text, so that their nesting can be seen. */
function told(blocks: Block[]): string {
  return blocks
    .map((block) => {
      switch (block.kind) {
        case "paragraph":
        case "heading":
          return `${block.kind[0]}(${plain(block.parts)})`;
        case "code":
          return `code:${block.language}(${block.text})`;
        case "quote":
          return `quote(${told(block.blocks)})`;
        case "list":
          return `list:${block.start ?? "-"}(${block.items.map((item) => (item.isDone === null ? "" : item.isDone ? "[x]" : "[ ]") + told(item.blocks)).join(",")})`;
        case "table":
          return `table:${block.aligns.join()}(${[block.head, ...block.rows].map((row) => row.map(plain).join("|")).join("/")})`;
        case "rule":
          return "rule";
      }
    })
    .join(" ");
}
const read = (markdown: string) => told(blocksOf(markdown));
const inline = (markdown: string) => {
  const [block] = blocksOf(markdown);
  return block?.kind === "paragraph" ? block.parts : null;
};

test.each([
  ["# One\n\ntwo\nlines\n\nSetext\n---\n\n***", "h(One) p(two lines) h(Setext) rule"],
  ["- a\n- b\n  - c\n    1. d\n\n3) e\n4) f", "list:-(p(a),p(b) list:-(p(c) list:1(p(d)))) list:3(p(e),p(f))"],
  ["- [x] done\n- [ ] open\n- none", "list:-([x]p(done),[ ]p(open),p(none))"],
  ["- [x] done\n\n- [ ] open\n\n  more", "list:-([x]p(done),[ ]p(open) p(more))"],
  ["> a\n> > b\n> - c", "quote(p(a) quote(p(b)) list:-(p(c)))"],
  ["| a | b | c |\n|---|:-:|--:|\n| 1 \\| 2 | `x` |\n| **y** | 3 | 4 |", "table:left,center,right(a|b|c/1 | 2|x|/y|3|4)"],
  ["```rust title=x\nfn a() {}\n\n```\n~~~\nb\n~~~\n\n    c", "code:rust(fn a() {}\n) code:(b) code:(c)"],
])("%j", (markdown, expected) => {
  expect(read(markdown)).toBe(expected);
});

test("text that is struck, strong in what is emphasised, and lines that are broken on purpose", () => {
  expect(inline("~~old~~ *a **b** c*  \nd\ne `f\ng`")).toEqual([
    { kind: "strike", parts: [{ kind: "text", text: "old" }] },
    { kind: "text", text: " " },
    { kind: "emphasis", parts: [{ kind: "text", text: "a " }, { kind: "strong", parts: [{ kind: "text", text: "b" }] }, { kind: "text", text: " c" }] },
    { kind: "break" },
    { kind: "text", text: "d e " },
    { kind: "code", text: "f g" },
  ]);
  expect(inline("2 * 3 * 4 snake_case_name")).toEqual([{ kind: "text", text: "2 * 3 * 4 snake_case_name" }]);
});

test("addresses are links by themselves; pictures are links, and HTML is text", () => {
  const links = (markdown: string) => (inline(markdown) ?? []).flatMap((part) => (part.kind === "link" ? [[plain(part.parts), part.url]] : []));
  expect(links("see https://x.example/a?b=1&c=2, www.example.org and [here](https://y.example/?a=1&amp;b=2)")).toEqual([
    ["https://x.example/a?b=1&c=2", "https://x.example/a?b=1&c=2"],
    ["www.example.org", "http://www.example.org"],
    ["here", "https://y.example/?a=1&b=2"],
  ]);
  expect(links("![a picture](https://x.example/p.png) ![](https://x.example/q.png)")).toEqual([
    ["a picture", "https://x.example/p.png"],
    ["https://x.example/q.png", "https://x.example/q.png"],
  ]);
  expect(read("a <b>c</b> <script>alert(1)</script>\n\n<div onclick=x>\n<img src=y>\n</div>")).toBe("p(a <b>c</b> <script>alert(1)</script>) p(<div onclick=x>\n<img src=y>\n</div>)");
  expect(read("&lt;a&gt; &amp; &copy; &#8594; &#x41; &nope; &constructor; &#0; \\* `&amp;`")).toBe("p(<a> & © → A &nope; &constructor; \ufffd * &amp;)");
});

test("only addresses of the web can be opened; files are called as code is", () => {
  for (const url of ["javascript:alert(1)", "JavaScript:alert(1)", "&#106;avascript:alert(1)", "file:///etc/passwd", "codex://task/1", "data:text/html,x", "src/main.rs:3", "mailto:a@b.org"]) {
    expect(JSON.stringify(blocksOf(`[x](${url}) ![y](${url})`))).not.toContain('"link"');
  }
  expect(inline("[src/main.rs](/workspace/src/main.rs)")).toEqual([{ kind: "code", text: "src/main.rs" }]);
});

test("a message can be shown at every moment of being written", () => {
  const whole = "# A **b**\n\n- [x] c `d`\n  > e\n\n| f | g |\n|---|---|\n| h | [i](https://j.example) |\n\n```rust\nfn k() {}\n```\n\n<b>l</b> ~~m~~ &amp; ![n](o)";
  for (let end = 0; end <= whole.length; end++) expect(Array.isArray(blocksOf(whole.slice(0, end)))).toBe(true);
  expect(read(whole.slice(0, whole.indexOf("fn k()") + 2))).toMatch(/ code:rust\(fn\)$/);
});

test("what nobody writes to be read takes neither the stack nor minutes", () => {
  for (const odd of ["> ", "1. ", "[", "_a_", "*a ", "|a", "`", "**a _b ", "<a ", "![", "\\", "\t- a\n"]) {
    const text = odd.repeat(PART / odd.length);
    expect(blocksOf(text).length).toBeGreaterThan(0);
  }
  expect(read("> ".repeat(9) + "deep")).toMatch(/quote\(p\(> > > deep\)\)/);
});

describe("long messages", () => {
  const paragraph = `${"words and ".repeat(30)}\n\n`;

  test("come in parts that are as long as allowed, and lose nothing", () => {
    const text = `${paragraph.repeat(200)}${"x".repeat(3 * PART)}\n${paragraph}`;
    const parts = partsOf(text);
    expect(parts.join("")).toBe(text);
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(PART);
    expect(parts[0]).toMatch(/\n\n$/);
    expect(partsOf("short\r\ntext")).toEqual(["short\ntext"]);
  });

  test("code that goes on in the next part is code there", () => {
    const code = "let x = 1;\n\n".repeat(PART / 6);
    const [first, second, ...rest] = partsOf(`Here:\n\n~~~~rust\n${code}\`\`\`\n~~~\n~~~~\n\nAnd **text**.\n`);
    expect(read(first ?? "")).toMatch(/^p\(Here:\) code:rust\(let x/);
    expect(read(second ?? "")).toMatch(/^code:rust\(let x/);
    expect(read(rest.at(-1) ?? second ?? "")).toMatch(/```\n~~~\) p\(And text\.\)$/);
  });

  test("what is added at the end changes the last part only", () => {
    const text = paragraph.repeat(100);
    const before = partsOf(text);
    expect(partsOf(text + paragraph.repeat(50)).slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  });
});
