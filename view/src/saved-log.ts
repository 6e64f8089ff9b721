import type { DoneEvent, StatusEvent, Usage } from "@codex-remote/sdk";

import type { Row } from "./rows.js";
import type { Line } from "./terminal.js";

/** The end of a log, as it was last seen. */
export interface SavedLog {
  rows: Row[];
  lines: Line[];
  /** How many lines stood before the first one. */
  dropped: number;
  usage: Usage | null;
  status: StatusEvent["data"] | null;
  done: DoneEvent["data"] | null;
}

/** Something that was kept, and when: Unix time in milliseconds. */
export interface Saved<T> {
  at: number;
  value: T;
}

/** Keeps logs between starts, each as `merged` has it. It fails silently: a device without room keeps nothing, and the task is watched all the same. */
export interface LogKeeper {
  read(id: string): Promise<Saved<SavedLog> | null>;
  keep(id: string, log: SavedLog): Promise<void>;
}

/**
 * What to keep of a log that was read again. Who leaves early has read less than what is kept from before: then only the state is news. A
 * log is always read from its beginning, so the one with more lines goes further, and nothing comes after its end.
 */
export function merged(kept: SavedLog | null, fresh: SavedLog): SavedLog {
  if (!kept || fresh.done) return fresh;
  const reach = ({ lines, dropped }: SavedLog) => lines.length + dropped;
  if (!kept.done && reach(fresh) >= reach(kept)) return fresh;
  return { ...kept, status: fresh.status ?? kept.status };
}

/** How much of the end is kept: entries, and characters in them. */
const MOST = 5_000;
const MOST_TEXT = 512 * 1024;

/** As many entries from the end as there is room for, always at least the last one. */
export function tail<T>(entries: readonly T[], sizeOf: (entry: T) => number): T[] {
  let room = MOST_TEXT;
  let from = entries.length;
  while (from > 0 && entries.length - from < MOST) {
    room -= sizeOf(entries[from - 1] as T);
    if (room < 0 && from < entries.length) break;
    from--;
  }
  return entries.slice(from);
}

export const sizeOfLine = (line: Line): number => line.text.length;

export function sizeOfRow(row: Row): number {
  if (row.kind === "output") return row.lines.reduce((sum, line) => sum + line.text.length, 0);
  return JSON.stringify(row).length;
}
