/** Syntax colours, apart from the rest because the grammars are larger than it: who shows none loads none. */

import type { Emitter } from "highlight.js";
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import csharp from "highlight.js/lib/languages/csharp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import dockerfile from "highlight.js/lib/languages/dockerfile";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import kotlin from "highlight.js/lib/languages/kotlin";
import lua from "highlight.js/lib/languages/lua";
import makefile from "highlight.js/lib/languages/makefile";
import markdown from "highlight.js/lib/languages/markdown";
import php from "highlight.js/lib/languages/php";
import python from "highlight.js/lib/languages/python";
import ruby from "highlight.js/lib/languages/ruby";
import rust from "highlight.js/lib/languages/rust";
import shell from "highlight.js/lib/languages/shell";
import sql from "highlight.js/lib/languages/sql";
import swift from "highlight.js/lib/languages/swift";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

import type { Change, PatchHunk } from "./patch.js";

/** A piece of a line: what it is in the words of highlight.js (`hljs-keyword`), the outermost first; none for plain text. */
export interface CodeSpan {
  text: string;
  classes: readonly string[];
}

/** More characters than this are not coloured: on a phone the wait would be felt. */
export const MOST_COLOURED = 20_000;

/** Has the pieces as they come, line by line: what encloses a line end is opened again in the next line. */
class Lines implements Emitter {
  readonly lines: CodeSpan[][] = [[]];
  readonly #open: string[][] = [];

  addText(all: string): void {
    const classes = this.#open.flat();
    for (const [index, text] of all.split("\n").entries()) {
      if (index > 0) this.lines.push([]);
      if (text) this.lines.at(-1)?.push({ text, classes });
    }
  }

  startScope(scope: string): void {
    // As the style sheets of highlight.js have it: `title.function` is of the classes `hljs-title` and `function_`.
    this.#open.push(scope.split(".").map((part, depth) => (depth > 0 ? part + "_".repeat(depth) : `hljs-${part}`)));
  }

  endScope(): void {
    this.#open.pop();
  }

  openNode(scope: string): void {
    this.startScope(scope);
  }

  closeNode(): void {
    this.endScope();
  }

  __addSublanguage(other: Emitter): void {
    if (!(other instanceof Lines)) return;
    const outside = this.#open.flat();
    for (const [index, line] of other.lines.entries()) {
      if (index > 0) this.lines.push([]);
      this.lines.at(-1)?.push(...line.map(({ text, classes }) => ({ text, classes: [...outside, ...classes] })));
    }
  }

  finalize(): void {}

  toHTML(): string {
    return "";
  }
}

const grammars = {
  ...{ bash, c, cpp, csharp, css, diff, dockerfile, go, ini, java, javascript, json, kotlin, lua, makefile, markdown, php },
  ...{ python, ruby, rust, shell, sql, swift, typescript, xml, yaml },
};
const highlighter = hljs.newInstance();
highlighter.configure({ __emitter: Lines });
for (const [name, grammar] of Object.entries(grammars)) highlighter.registerLanguage(name, grammar);

/** Endings of names, and names that people write behind a fence, which the grammars do not have themselves. */
const others: Record<string, string> = {
  mjs: "javascript",
  cjs: "javascript",
  mts: "typescript",
  cts: "typescript",
  yml: "yaml",
  h: "c",
  hpp: "cpp",
  cc: "cpp",
  scss: "css",
  less: "css",
  toml: "ini",
  lock: "ini",
  htm: "xml",
  svg: "xml",
  m: "c",
  jsonc: "json",
  json5: "json",
  jsonl: "json",
  patch: "diff",
  kts: "kotlin",
  containerfile: "dockerfile",
};

/** The language of what is called so: the name of a language (`rust`, `sh`) or the ending of a file name. */
function languageNamed(name: string): string | null {
  const known = others[name.toLowerCase()] ?? name.toLowerCase();
  return highlighter.getLanguage(known) ? known : null;
}

function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return languageNamed(name.slice(name.lastIndexOf(".") + 1));
}

/** Code in lines of spans; `null` where the language is not known, and where there is too much of it. */
export function highlightCode(code: string, language: string): CodeSpan[][] | null {
  const known = languageNamed(language);
  if (!known || code.length > MOST_COLOURED) return null;
  const { _emitter: emitter, errorRaised } = highlighter.highlight(code, { language: known, ignoreIllegals: true });
  return errorRaised || !(emitter instanceof Lines) ? null : emitter.lines;
}

/** The changes of a hunk in spans. Both sides are coloured as a whole, so that what goes on over several lines is understood. */
export function highlightHunk(hunk: PatchHunk, path: string): CodeSpan[][] | null {
  const language = languageOf(path);
  if (!language) return null;
  const [before, after] = [sideOf(hunk, "insert", language), sideOf(hunk, "delete", language)];
  if (!before || !after) return null;
  return hunk.changes.map((change) => (change.type === "delete" ? before : after).get(change) ?? [{ text: change.content, classes: [] }]);
}

function sideOf(hunk: PatchHunk, without: Change["type"], language: string): Map<Change, CodeSpan[] | undefined> | null {
  const changes = hunk.changes.filter((change) => change.type !== without);
  const lines = highlightCode(changes.map((change) => change.content).join("\n"), language);
  return lines && new Map(changes.map((change, index) => [change, lines[index]]));
}
