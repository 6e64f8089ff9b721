import type { CodexItem, ItemEvent, TaskEvent } from "@codex-remote/sdk";

export type LineKind = "out" | "err" | "command" | "message" | "note" | "bad";

export interface Line {
  text: string;
  kind: LineKind;
}

/** How much more than allowed is kept before the oldest lines go, so that this is not done for every line. */
const SLACK = 1.1;

/**
 * What a terminal would show: commands with what they printed, messages, lines of standard error. Lines have numbers that stay the same
 * however often the log is read, so they can be linked to; of a long log the oldest lines are let go.
 */
export class Terminal {
  lines: Line[] = [];
  /** How many lines before the first one were let go. */
  dropped = 0;
  /** How many lines say that something went wrong, whether they are kept or not. */
  problems = 0;
  readonly #most: number;
  /** Commands whose line stands already. */
  readonly #begun = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  add(event: TaskEvent): void {
    if (event.type === "log") this.#text(event.data.line, event.data.stream === "stderr" ? "err" : "out");
    else if (event.type === "gap") this.#text(`── ${event.data.count} lines are lost ──`, "bad");
    else if (event.type === "item") this.#codex(event.data);
    if (this.lines.length > this.#most * SLACK) {
      const gone = this.lines.length - this.#most;
      this.lines.splice(0, gone);
      this.dropped += gone;
    }
  }

  #codex(data: ItemEvent["data"]): void {
    switch (data.type) {
      case "turn.started":
        return this.#begun.clear();
      case "turn.failed":
        return this.#text(data.error.message, "bad");
      case "error":
        return this.#text(data.message, "bad");
      case "runner.warning":
        return this.#text(data.message, "note");
      case "item.started":
        if (data.item.type === "command_execution") this.#command(data.item.id, data.item.command);
        return;
      case "item.completed":
        return this.#item(data.item);
    }
  }

  #item(item: CodexItem): void {
    switch (item.type) {
      case "agent_message":
        return this.#text(item.text, "message");
      case "reasoning":
        return this.#text(item.text, "note");
      case "error":
        return this.#text(item.message, "bad");
      case "command_execution":
        if (!this.#begun.has(item.id)) this.#command(item.id, item.command);
        if (item.aggregated_output) this.#text(item.aggregated_output.replace(/\r?\n$/, ""), "out");
        if (item.exit_code) this.#text(`exit code ${item.exit_code}`, "bad");
        return;
      case "file_change":
        for (const change of item.changes) this.#text(`${change.kind} ${change.path}`, "note");
        return;
      case "todo_list":
        for (const todo of item.items) this.#text(`${todo.completed ? "[x]" : "[ ]"} ${todo.text}`, "note");
        return;
      case "web_search":
        return this.#text(`search: ${item.query}`, "note");
      case "mcp_tool_call":
        return this.#text(`${item.server}.${item.tool}${item.error ? `: ${item.error.message}` : ""}`, item.error ? "bad" : "note");
      case "collab_tool_call":
        return this.#text(item.tool, "note");
    }
  }

  #command(id: string, command: string): void {
    this.#begun.add(id);
    this.#text(`$ ${plainCommand(command)}`, "command");
  }

  #text(text: string, kind: LineKind): void {
    // Progress bars write over their line; what stands at the end of it is what a terminal would show.
    for (const line of text.split("\n")) this.lines.push({ text: overwritten(line), kind });
    if (kind === "bad") this.problems++;
  }
}

function overwritten(line: string): string {
  const bare = line.endsWith("\r") ? line.slice(0, -1) : line;
  return bare.slice(bare.lastIndexOf("\r") + 1);
}

/** Codex runs commands through a shell; what is inside is what people want to read. */
export function plainCommand(command: string): string {
  const match = /^(?:\/\S*\/)?(?:ba|z|da)?sh -l?c ([\s\S]+)$/.exec(command);
  return match?.[1] ? (wordOf(match[1]) ?? match[1]) : command;
}

/** What a shell makes of one word: quotes of either kind are taken off, also where several parts stand together. `null` where it is more than one. */
function wordOf(text: string): string | null {
  let word = "";
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const next = text[at + 1];
    if (quote ? char === quote : char === "'" || char === '"') quote = quote ? "" : char;
    else if (char === "\\" && next !== undefined && (quote ? quote === '"' && '"\\$`'.includes(next) : true)) word += text.charAt(++at);
    else if (!quote && /\s/.test(char)) return null;
    else word += char;
  }
  return quote ? null : word;
}
