import type { Change, PatchFile, PatchHunk } from "@codex-remote/view";
import type { CodeSpan } from "@codex-remote/view/highlight";

import type { Highlighter } from "@/platform/highlighter";

/** What stands in a row of a changed file. */
export type DiffRow = { kind: "hunk"; header: string } | { kind: "change"; hunk: PatchHunk; at: number };

/** Rows that are shown before somebody asks for more of a file, and each time they do. */
export const PART = 1_000;
/** Characters of a line that are shown: a file that a program wrote may be one line of megabytes. */
export const LONGEST = 2_000;

export function rowsOf(file: PatchFile): DiffRow[] {
  return file.hunks.flatMap((hunk): DiffRow[] => [{ kind: "hunk", header: hunk.header }, ...hunk.changes.map((_, at): DiffRow => ({ kind: "change", hunk, at }))]);
}

/** The characters of the longest line, as far as it is shown. */
export const widthOf = (file: PatchFile): number =>
  file.hunks.reduce((most, { changes }) => changes.reduce((most, { content }) => Math.max(most, Math.min(content.length, LONGEST)), most), 0);

/** The digits of the largest line number. */
export const digitsOf = (file: PatchFile): number => {
  const last = file.hunks.at(-1)?.changes.at(-1);
  return String(Math.max(last?.after ?? 0, last?.before ?? 0)).length;
};

/** Colours the hunks of a file, each when one of its lines is drawn. */
export class DiffColors {
  readonly #highlighter: Highlighter | null;
  readonly #path: string;
  readonly #known = new Map<PatchHunk, CodeSpan[][] | null>();

  constructor(highlighter: Highlighter | null, path: string) {
    this.#highlighter = highlighter;
    this.#path = path;
  }

  /** `null` for lines without colours. */
  spansOf(hunk: PatchHunk, at: number): CodeSpan[] | null {
    if (!this.#highlighter || (hunk.changes[at]?.content.length ?? 0) > LONGEST) return null;
    let lines = this.#known.get(hunk);
    if (lines === undefined) {
      lines = this.#highlighter.highlightHunk(hunk, this.#path);
      this.#known.set(hunk, lines);
    }
    return lines?.[at] ?? null;
  }
}

/** What is shown of a line, and how many characters are not. */
export function shownOf({ content }: Change): { text: string; hidden: number } {
  return content.length > LONGEST ? { text: content.slice(0, LONGEST), hidden: content.length - LONGEST } : { text: content, hidden: 0 };
}
