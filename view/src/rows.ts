import type { CodexItem, GapEvent, ItemEvent, LogEvent, TaskEvent, Usage } from "@codex-remote/sdk";

/** A row of the timeline. `id` is the number of the frame that it began with, and what a link to it names. */
export type Row =
  | { kind: "item"; id: number; ts: string; item: CodexItem; isOpen: boolean }
  | { kind: "output"; id: number; ts: string; lines: { text: string; stream: "stdout" | "stderr" }[] }
  | { kind: "error"; id: number; ts: string; message: string; isFinal: boolean }
  | { kind: "note"; id: number; ts: string; text: string }
  | { kind: "gap"; id: number; ts: string; count: number };

/** Lines of output in a row of their own become one row, up to this many. */
const MOST_LINES = 500;

/** Whether somebody who looks for what went wrong wants to see this row. */
export function isProblem(row: Row): boolean {
  if (row.kind === "error" || row.kind === "gap") return true;
  if (row.kind !== "item") return false;
  const { item } = row;
  return item.type === "error" || ("status" in item && item.status === "failed");
}

/** Models answer mistakes with JSON, which Codex passes on as it is; people want to read what it says. */
export function plainMessage(text: string): string {
  if (!text.startsWith("{")) return text;
  try {
    const { error, message } = JSON.parse(text) as { error?: { message?: unknown } | null; message?: unknown };
    const said = error?.message ?? message;
    return typeof said === "string" && said ? said : text;
  } catch {
    return text;
  }
}

/**
 * The timeline of a task. Events are added in their order; a row that changes is replaced by a new object, so that what draws rows sees
 * which ones to draw again.
 */
export class Timeline {
  rows: Row[] = [];
  usage: Usage | null = null;
  /** Where the rows of items are that have begun. Codex counts items from 0 in each turn, so a turn that begins forgets them. */
  readonly #open = new Map<string, number>();

  add(event: TaskEvent): void {
    if (event.type === "log") this.#output(event);
    else if (event.type === "gap") this.#gap(event);
    else if (event.type === "item") this.#codex(event);
  }

  #output({ id, data }: LogEvent): void {
    const line = { text: data.line, stream: data.stream };
    const last = this.rows.at(-1);
    if (last?.kind === "output" && last.lines.length < MOST_LINES) {
      // The array is shared and only grows; the new object is what says that there is more of it.
      last.lines.push(line);
      this.rows[this.rows.length - 1] = { ...last };
    } else {
      this.rows.push({ kind: "output", id, ts: data.ts, lines: [line] });
    }
  }

  #gap({ id, data }: GapEvent): void {
    this.rows.push({ kind: "gap", id, ts: data.ts ?? "", count: data.count });
  }

  #codex({ id, data }: ItemEvent): void {
    const { ts } = data;
    switch (data.type) {
      case "item.started":
      case "item.updated":
      case "item.completed":
        return this.#item(id, ts, data.item, data.type !== "item.completed");
      case "turn.started":
        return this.#open.clear();
      case "turn.completed":
        this.usage = data.usage;
        return;
      case "turn.failed":
        this.rows.push({ kind: "error", id, ts, message: data.error.message, isFinal: true });
        return;
      case "error":
        this.rows.push({ kind: "error", id, ts, message: data.message, isFinal: false });
        return;
      case "runner.warning":
        this.rows.push({ kind: "note", id, ts, text: data.message });
        return;
    }
  }

  #item(id: number, ts: string, item: CodexItem, isOpen: boolean): void {
    const at = this.#open.get(item.id);
    const begun = at === undefined ? undefined : this.rows[at];
    if (at !== undefined && begun?.kind === "item" && begun.item.type === item.type) {
      this.rows[at] = { ...begun, item, isOpen };
    } else {
      this.#open.set(item.id, this.rows.length);
      this.rows.push({ kind: "item", id, ts, item, isOpen });
    }
    if (!isOpen) this.#open.delete(item.id);
  }
}
