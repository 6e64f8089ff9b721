import { type Line, type LiveView, Search } from "@codex-remote/view";
import { useMemo, useState } from "react";

/** While the reader pauses, nothing is added to what is drawn. Lines that the buffer lets go are gone all the same. */
export function usePausable(live: LiveView) {
  const [held, setHeld] = useState<number | null>(null);
  const { lines, dropped } = live.terminal;
  const count = held === null ? lines.length : Math.max(0, Math.min(lines.length, held - dropped));
  // The array is shared and only grows, so a list would not see that there is more of it.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const shown = useMemo(() => lines.slice(0, count), [lines, count, dropped]);
  return {
    shown,
    dropped,
    isPaused: held !== null,
    waiting: lines.length - count,
    pause: (on: boolean) => setHeld(on ? lines.length + dropped : null),
  };
}

/** What is found in the lines, and which of it is shown; `go` is told the number of the line, counted from 0 over the whole log. */
export function useSearch(lines: Line[], dropped: number, version: number, go: (number: number) => void) {
  const [needle, setNeedle] = useState("");
  const [at, setAt] = useState(-1);
  const search = useMemo(() => new Search(needle), [needle]);
  // The search keeps what it has found; a new version only adds to it.
  const hits = useMemo(() => {
    search.look(lines, dropped);
    return [...search.hits];
    // The lines are the same array with other content.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [search, lines, dropped, version]);
  return {
    needle,
    hit: at >= 0 ? hits[at] : undefined,
    matches: { at: at + 1, of: hits.length },
    onNeedle: (text: string) => {
      setNeedle(text);
      setAt(-1);
    },
    onMatch: (step: 1 | -1) => {
      if (hits.length === 0) return;
      const next = at < 0 ? (step > 0 ? 0 : hits.length - 1) : (at + step + hits.length) % hits.length;
      setAt(next);
      go(hits[next] ?? 0);
    },
  };
}

/** The next line after `from` that says that something went wrong, and from the beginning again; `null` where there is none. */
export function nextProblem(lines: Line[], dropped: number, from: number): number | null {
  const isBad = (line: Line) => line.kind === "bad";
  const start = Math.max(0, from + 1 - dropped);
  const offset = lines.slice(start).findIndex(isBad);
  const index = offset >= 0 ? start + offset : lines.findIndex(isBad);
  return index < 0 ? null : index + dropped;
}
