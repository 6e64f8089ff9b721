"use client";

import type { CodexItem } from "@codex-remote/sdk";
import { plainCommand } from "@codex-remote/view";
import clsx from "clsx";

import { t } from "@/strings";
import { Markdown } from "../ui/markdown";
import { OutputLines } from "./output-lines";

export function Item({ item }: { item: CodexItem }) {
  switch (item.type) {
    case "agent_message":
      return <Markdown text={item.text} />;
    case "reasoning":
      return (
        <div className="text-sm text-soft">
          <Markdown text={item.text} />
        </div>
      );
    case "command_execution":
      return <Command item={item} />;
    case "file_change":
      return (
        <ul className="text-sm">
          {item.changes.map((change) => (
            <li key={change.path} className="flex gap-2">
              <span className={clsx("w-16 shrink-0", change.kind === "delete" ? "text-bad" : change.kind === "add" ? "text-good" : "text-warn")}>{t.log.kinds[change.kind] ?? change.kind}</span>
              <span className="font-mono break-all">{change.path.replace(/^\/workspace\//, "")}</span>
            </li>
          ))}
        </ul>
      );
    case "todo_list":
      return (
        <ul className="text-sm">
          {item.items.map((todo, index) => (
            <li key={index} className={clsx("flex gap-2", todo.completed && "text-soft")}>
              <span aria-hidden>{todo.completed ? "☑" : "☐"}</span>
              <span className={clsx(todo.completed && "line-through")}>{todo.text}</span>
              {todo.completed && <span className="sr-only">✓</span>}
            </li>
          ))}
        </ul>
      );
    case "web_search":
      return <p className="text-sm">{item.query}</p>;
    case "mcp_tool_call":
      return (
        <div className="grid gap-1 text-sm">
          <p className="font-mono">
            {item.server}.{item.tool}
          </p>
          {item.error && <p className="text-bad">{item.error.message}</p>}
          <details>
            <summary className="text-soft">{t.task.details}</summary>
            <pre className="mt-1 overflow-x-auto font-mono text-xs">{JSON.stringify({ arguments: item.arguments, result: item.result }, null, 2)}</pre>
          </details>
        </div>
      );
    case "collab_tool_call":
      return <p className="font-mono text-sm">{item.tool}</p>;
    case "error":
      return <p className="text-sm whitespace-pre-wrap">{item.message}</p>;
    default:
      return <pre className="overflow-x-auto font-mono text-xs">{JSON.stringify(item, null, 2)}</pre>;
  }
}

function Command({ item }: { item: Extract<CodexItem, { type: "command_execution" }> }) {
  const output = item.aggregated_output.replace(/\r?\n$/, "");
  return (
    <div className="grid gap-1">
      <pre className="overflow-x-auto font-mono text-sm font-semibold whitespace-pre-wrap">
        <span aria-hidden className="text-soft">
          ${" "}
        </span>
        {plainCommand(item.command)}
      </pre>
      {output ? <OutputLines lines={output.split("\n")} /> : item.status !== "in_progress" && <p className="text-xs text-soft">{t.log.noOutput}</p>}
      {item.exit_code !== null && item.exit_code !== 0 && <p className="text-sm font-semibold text-bad">{t.log.exit(item.exit_code)}</p>}
    </div>
  );
}
