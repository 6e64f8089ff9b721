/** What a client says of a task and of the rows of its timeline, in the same words everywhere. */

import type { Task } from "@codex-remote/sdk";

import { count, duration, moment } from "./format.js";
import type { Row } from "./rows.js";
import { itemName, words } from "./words.js";

/** The heading of a row. */
export function rowName(row: Row): string {
  switch (row.kind) {
    case "item":
      return itemName(row.item);
    case "output":
      return words.log.output(row.lines.length);
    case "error":
      return row.isFinal ? words.log.failedTurn : words.log.trouble;
    case "note":
      return words.log.warning;
    case "gap":
      return words.log.gap(count(row.count));
  }
}

/** The details of a task, each with its name; those that it does not have are empty. */
export function taskFacts(task: Task): [string, string | null | undefined][] {
  const { task: t } = words;
  return [
    [t.id, task.task_id],
    [t.owner, task.owner],
    [t.repository, task.repository],
    [t.folder, task.cwd],
    [t.model, task.model],
    [t.limit, task.timeout_seconds ? duration(task.timeout_seconds) : null],
    [t.created, moment(task.created_at)],
    [t.started, task.started_at && moment(task.started_at)],
    [t.finished, task.finished_at && moment(task.finished_at)],
    [t.exit, task.exit_code === null ? null : String(task.exit_code)],
    [t.thread, task.thread_id],
    [t.env, task.env && Object.keys(task.env).join(", ")],
  ];
}
