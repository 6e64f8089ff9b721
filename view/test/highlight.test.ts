import { expect, test } from "vitest";

import { MOST_COLOURED, highlightCode, highlightHunk } from "../src/highlight.js";
import { parsePatch } from "../src/patch.js";

const textOf = (lines: ReturnType<typeof highlightCode>) => lines?.map((line) => line.map((span) => span.text).join(""));

test("code keeps every character, and what goes on over several lines is opened again in each", () => {
  const code = 'fn main() {\n    /* two\n\n    lines */ let x = "a";\n}\n';
  const lines = highlightCode(code, "rust");
  expect(textOf(lines)?.join("\n")).toBe(code);
  expect(lines?.[0]?.[0]).toEqual({ text: "fn", classes: ["hljs-keyword"] });
  expect(lines?.[1]?.at(-1)).toMatchObject({ text: "/* two", classes: ["hljs-comment"] });
  expect(lines?.[2]).toEqual([]);
  expect(lines?.[3]?.[0]).toEqual({ text: "    lines */", classes: ["hljs-comment"] });
});

test("languages are known by their names, by short ones and by the endings of files", () => {
  for (const name of ["rust", "rs", "ts", "tsx", "YAML", "toml", "sh", "console", "py", "go", "c++", "html", "Dockerfile", "patch"]) expect(highlightCode("x", name), name).not.toBeNull();
  for (const name of ["", "no-such-language", "mermaid"]) expect(highlightCode("x", name), name).toBeNull();
});

test("a great deal of code stays as it is", () => {
  expect(highlightCode("x".repeat(MOST_COLOURED + 1), "rust")).toBeNull();
});

test("a hunk is coloured by both of its sides", () => {
  const patch = ["diff --git a/web/a.ts b/web/a.ts", "--- a/web/a.ts", "+++ b/web/a.ts", "@@ -1,3 +1,3 @@", " /* one", "-two */ const a = 1;", "+two", " three */", ""].join("\n");
  const [file] = parsePatch(patch);
  const lines = highlightHunk(file!.hunks[0]!, file!.path);
  expect(textOf(lines)).toEqual(["/* one", "two */ const a = 1;", "two", "three */"]);
  expect(lines?.[1]?.some((span) => span.text === "const" && span.classes.includes("hljs-keyword"))).toBe(true);
  expect(lines?.[2]).toEqual([{ text: "two", classes: ["hljs-comment"] }]);
  expect(highlightHunk(file!.hunks[0]!, "LICENSE")).toBeNull();
});

test("a language inside of another one", () => {
  const code = "<p>\n<script>\nconst a = `x ${1}`;\n</script>\n<style>p { color: red }</style>";
  const lines = highlightCode(code, "html");
  expect(textOf(lines)?.join("\n")).toBe(code);
  expect(lines?.[2]?.find((span) => span.text === "const")?.classes).toContain("hljs-keyword");
});

test("whatever it is, every character stays", () => {
  const odd = "\u0000<>&\"'`${{[(\\\n/* \n''' \"\"\"\n#!/bin/sh\n<<EOF\n".repeat(3);
  for (const name of ["rust", "ts", "python", "bash", "php", "xml", "yaml", "markdown", "sql", "swift", "cpp", "ini", "diff", "ruby", "makefile"]) {
    expect(textOf(highlightCode(odd, name))?.join("\n"), name).toBe(odd);
  }
});
