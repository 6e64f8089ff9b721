import type { components } from "./openapi.js";

type Schemas = components["schemas"];

/** The states of a task. The last three are final. */
export type TaskState = Schemas["TaskState"];

export const isFinal = (state: TaskState): boolean => state !== "queued" && state !== "running";

/** Where a task stands. The present state comes first in every connection. */
export interface StatusEvent {
  type: "status";
  data: Schemas["StatusData"];
}

/** A line of output. */
export interface LogEvent {
  type: "log";
  id: number;
  data: Schemas["LogData"];
}

/** An event of Codex, or of the runner around it. */
export interface ItemEvent {
  type: "item";
  id: number;
  data: CodexEvent & Pick<Schemas["ItemData"], "ts" | "from">;
}

/** Frames that are lost for good. */
export interface GapEvent {
  type: "gap";
  id: number;
  data: Schemas["GapData"];
}

/** The end; nothing comes after it. */
export interface DoneEvent {
  type: "done";
  data: Schemas["DoneData"];
}

export type TaskEvent = StatusEvent | LogEvent | ItemEvent | GapEvent | DoneEvent;

/** What Codex prints (`codex exec --json`) and what the runner adds. Later releases may have types that are not listed here. */
export type CodexEvent =
  | { type: "thread.started"; thread_id: string }
  | { type: "turn.started" }
  | { type: "turn.completed"; usage: Usage }
  | { type: "turn.failed"; error: { message: string } }
  | { type: "item.started" | "item.updated" | "item.completed"; item: CodexItem }
  | { type: "error"; message: string }
  | { type: "runner.started"; cwd: string; repository: string; commit?: string; branch?: string; codex_version?: string }
  | { type: "runner.warning"; message: string }
  | { type: "runner.patch"; patch: string; bytes: number; files: number; truncated: boolean };

/** Tokens of the whole thread, earlier turns included. */
export interface Usage {
  input_tokens: number;
  cached_input_tokens: number;
  output_tokens: number;
  reasoning_output_tokens?: number;
  cache_write_input_tokens?: number;
}

export type CodexItem =
  | { id: string; type: "agent_message"; text: string }
  | { id: string; type: "reasoning"; text: string }
  | {
      id: string;
      type: "command_execution";
      command: string;
      aggregated_output: string;
      exit_code: number | null;
      status: "in_progress" | "completed" | "failed" | "declined";
    }
  | {
      id: string;
      type: "file_change";
      changes: { path: string; kind: "add" | "update" | "delete" }[];
      status: "in_progress" | "completed" | "failed";
    }
  | { id: string; type: "todo_list"; items: { text: string; completed: boolean }[] }
  | { id: string; type: "web_search"; query: string }
  | {
      id: string;
      type: "mcp_tool_call";
      server: string;
      tool: string;
      arguments?: unknown;
      result?: { content: unknown[]; structured_content?: unknown } | null;
      error?: { message: string } | null;
      status: "in_progress" | "completed" | "failed";
    }
  | { id: string; type: "collab_tool_call"; tool: string; prompt?: string | null; status: string }
  | { id: string; type: "error"; message: string };
