import type { CodexItem } from "@codex-remote/sdk";

import type { Row } from "./rows.js";
import { plainCommand } from "./terminal.js";

/** What a row says, for the clipboard and for searches. */
export function textOf(row: Row): string {
  switch (row.kind) {
    case "item":
      return textOfItem(row.item);
    case "output":
      return row.lines.map((line) => line.text).join("\n");
    case "error":
      return row.message;
    case "note":
      return row.text;
    case "gap":
      return "";
  }
}

function textOfItem(item: CodexItem): string {
  switch (item.type) {
    case "agent_message":
    case "reasoning":
      return item.text;
    case "error":
      return item.message;
    case "command_execution":
      return [`$ ${plainCommand(item.command)}`, item.aggregated_output].filter(Boolean).join("\n");
    case "file_change":
      return item.changes.map((change) => `${change.kind} ${change.path}`).join("\n");
    case "todo_list":
      return item.items.map((todo) => `${todo.completed ? "[x]" : "[ ]"} ${todo.text}`).join("\n");
    case "web_search":
      return item.query;
    default:
      return JSON.stringify(item, null, 2);
  }
}

/** Rows that change are new objects, so what was made of one stays true. */
const lower = new WeakMap<Row, string>();

/** The indices of the rows in which the text stands, in any case. */
export function findRows(rows: Row[], needle: string): number[] {
  if (!needle) return [];
  const wanted = needle.toLowerCase();
  return rows.flatMap((row, index) => {
    let text = lower.get(row);
    if (text === undefined) lower.set(row, (text = textOf(row).toLowerCase()));
    return text.includes(wanted) ? [index] : [];
  });
}
