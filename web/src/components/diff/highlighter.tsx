import type { Change, PatchHunk } from "@codex-remote/view";
import { common, createLowlight } from "lowlight";
import type { ReactNode } from "react";

import type { Highlighted } from "./use-highlight";

const lowlight = createLowlight(common);

/** Endings of names that are no name of a language themselves. */
const endings: Record<string, string> = {
  mjs: "javascript",
  cjs: "javascript",
  mts: "typescript",
  cts: "typescript",
  yml: "yaml",
  h: "c",
  hpp: "cpp",
  cc: "cpp",
  toml: "ini",
  lock: "ini",
  htm: "xml",
  svg: "xml",
  dockerfile: "bash",
  makefile: "makefile",
};

function languageOf(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf(".") + 1);
  const language = endings[ending] ?? ending;
  return lowlight.registered(language) ? language : null;
}

type Node = { type: string; value?: string; properties?: { className?: unknown }; children?: Node[] };

/** Both sides of the hunk are coloured as a whole, so that what goes on over several lines is understood. */
export function highlight(hunk: PatchHunk, path: string): Highlighted[] | null {
  const language = languageOf(path);
  if (!language) return null;
  const side = (without: Change["type"]) => {
    const changes = hunk.changes.filter((change) => change.type !== without);
    const tree = lowlight.highlight(language, changes.map((change) => change.content).join("\n")) as Node;
    const lines = linesOf(tree);
    return new Map(changes.map((change, index) => [change, lines[index]]));
  };
  const [before, after] = [side("insert"), side("delete")];
  return hunk.changes.map((change) => (change.type === "delete" ? before : after).get(change) ?? change.content);
}

/** Cuts a tree into lines; what encloses a line end is opened again in the next line. */
function linesOf(tree: Node): ReactNode[] {
  const lines: ReactNode[][] = [[]];
  const walk = (node: Node, classes: string[]) => {
    if (node.type !== "text") {
      const own = node.properties?.className;
      const inner = Array.isArray(own) ? [...classes, ...own.map(String)] : classes;
      for (const child of node.children ?? []) walk(child, inner);
      return;
    }
    const [first = "", ...rest] = (node.value ?? "").split("\n");
    const put = (text: string) => {
      const line = lines.at(-1);
      if (text) line?.push(classes.length > 0 ? <span key={line.length} className={classes.join(" ")}>{text}</span> : text);
    };
    put(first);
    for (const text of rest) {
      lines.push([]);
      put(text);
    }
  };
  walk(tree, []);
  return lines;
}
