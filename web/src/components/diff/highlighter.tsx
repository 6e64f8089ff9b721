import type { PatchHunk } from "@codex-remote/view";
import { type CodeSpan, highlightHunk } from "@codex-remote/view/highlight";

import type { Highlighted } from "./use-highlight";

/** The changes of a hunk with syntax colours; `null` where the language is not known. */
export function highlight(hunk: PatchHunk, path: string): Highlighted[] | null {
  return highlightHunk(hunk, path)?.map((line) => line.map(draw)) ?? null;
}

const draw = ({ text, classes }: CodeSpan, index: number) =>
  classes.length > 0 ? (
    <span key={index} className={classes.join(" ")}>
      {text}
    </span>
  ) : (
    text
  );
