import { words } from "@codex-remote/view";

/** The English words of a task: what the web client says as well, and what only a phone does. */
export const t = {
  ...words,
  // Beside the state of the task, which may be "Completed".
  connection: { ...words.connection, ended: "Complete log" },
  back: "Back",
  paused: { hidden: "Paused in the background", offline: "No network: goes on when it is back" },
  share: "Share",
  shared: "Shared",
  shareLog: "Share the log",
  sharePatch: "Share patch",
  shareFailed: "That did not work",
  allFiles: "All files",
  file: (at: number, of: number) => `File ${at} of ${of}`,
  fromFile: (path: string) => `from ${path}`,
  copyFile: "Copy the patch of this file",
  nextFile: "Next file",
  previousFile: "Previous file",
  removedLine: "removed",
  addedLine: "added",
  todo: { done: "Done", open: "To do" },
  stopped: "not finished",
  offlineAsked: "The gateway has not answered yet.",
  missingText: "The gateway cannot be reached, and this device keeps only the tasks that were opened last.",
  failed: "The task cannot be loaded",
  noWrap: "Do not wrap",
} as const;
