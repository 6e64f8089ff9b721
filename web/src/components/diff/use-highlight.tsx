"use client";

import type { PatchHunk } from "@codex-remote/view";
import { type ReactNode, useEffect, useState } from "react";


/** A line with colours. */
export type Highlighted = ReactNode;

/** Lines with syntax colours, one for each change of a hunk; `null` until the highlighter is there, and where it does not know the language. */
export function useHighlight(hunk: PatchHunk, path: string): Highlighted[] | null {
  const [lines, setLines] = useState<Highlighted[] | null>(null);
  useEffect(() => {
    let isCurrent = true;
    // It is larger than the page, and only here it is needed.
    void import("./highlighter").then(
      ({ highlight }) => isCurrent && setLines(highlight(hunk, path)),
      // Without colours the changes can be read all the same.
      () => {},
    );
    return () => {
      isCurrent = false;
    };
  }, [hunk, path]);
  return lines;
}
