import type { CodexItem } from "@codex-remote/sdk";
import { plainCommand } from "@codex-remote/view";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Text } from "@/ui/text";
import { type Palette, space } from "@/ui/theme";
import { MarkdownView } from "./markdown/markdown-view";
import { OutputLines } from "./output-lines";

const changes: Record<"add" | "update" | "delete", keyof Palette> = { add: "good", update: "warn", delete: "bad" };

export function Item({ item }: { item: CodexItem }) {
  switch (item.type) {
    case "agent_message":
      return <MarkdownView text={item.text} />;
    case "reasoning":
      return <MarkdownView text={item.text} isSoft />;
    case "command_execution":
      return <Command item={item} />;
    case "file_change":
      return item.changes.map((change) => (
        <Text key={change.path} kind="mono">
          <Text kind="small" tone={changes[change.kind] ?? "soft"}>
            {t.log.kinds[change.kind] ?? change.kind}
          </Text>{" "}
          {change.path.replace(/^\/workspace\//, "")}
        </Text>
      ));
    case "todo_list":
      return item.items.map((todo, index) => (
        // No checkbox: it is Codex who ticks them off, and nobody can.
        <View key={index} style={styles.todo}>
          <Text role="img" aria-label={todo.completed ? t.todo.done : t.todo.open} tone={todo.completed ? "good" : "soft"}>{todo.completed ? "☑" : "☐"}</Text>
          <Text tone={todo.completed ? "soft" : "text"} style={[styles.fill, todo.completed && styles.over]}>
            {todo.text}
          </Text>
        </View>
      ));
    case "web_search":
      return <Text>{item.query}</Text>;
    case "mcp_tool_call":
      return (
        <View style={styles.group}>
          <Text kind="mono">
            {item.server}.{item.tool}
          </Text>
          {item.error && <Text tone="bad">{item.error.message}</Text>}
          <OutputLines lines={JSON.stringify({ arguments: item.arguments, result: item.result }, null, 2).split("\n")} />
        </View>
      );
    case "collab_tool_call":
      return <Text kind="mono">{item.tool}</Text>;
    case "error":
      return <Text selectable>{item.message}</Text>;
    default:
      // Later releases of Codex may have kinds that are not known here.
      return <OutputLines lines={JSON.stringify(item, null, 2).split("\n")} />;
  }
}

function Command({ item }: { item: Extract<CodexItem, { type: "command_execution" }> }) {
  const output = item.aggregated_output.replace(/\r?\n$/, "");
  return (
    <View style={styles.group}>
      <Text kind="mono" selectable style={styles.command}>
        <Text kind="mono" tone="soft" aria-hidden>
          ${" "}
        </Text>
        {plainCommand(item.command)}
      </Text>
      {output ? (
        <OutputLines lines={output.split("\n")} />
      ) : (
        item.status !== "in_progress" && (
          <Text kind="small" tone="soft">
            {t.log.noOutput}
          </Text>
        )
      )}
      {item.exit_code !== null && item.exit_code !== 0 && (
        <Text kind="strong" tone="bad">
          {t.log.exit(item.exit_code)}
        </Text>
      )}
    </View>
  );
}

const styles = StyleSheet.create({
  group: { gap: space.xs },
  todo: { flexDirection: "row", gap: space.s },
  fill: { flex: 1 },
  over: { textDecorationLine: "line-through" },
  command: { fontWeight: "600" },
});
