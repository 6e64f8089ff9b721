import type { Task } from "@codex-remote/sdk";
import { duration, moment } from "@codex-remote/view";
import { ScrollView, StyleSheet, View } from "react-native";

import { CopyButton } from "@/live/action-button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { t } from "./strings";

export function DetailsPanel({ task }: { task: Task }) {
  const colors = useColors();
  const facts: [string, string | null | undefined][] = [
    [t.task.id, task.task_id],
    [t.task.owner, task.owner],
    [t.task.repository, task.repository],
    [t.task.folder, task.cwd],
    [t.task.model, task.model],
    [t.task.limit, task.timeout_seconds ? duration(task.timeout_seconds) : null],
    [t.task.created, moment(task.created_at)],
    [t.task.started, task.started_at && moment(task.started_at)],
    [t.task.finished, task.finished_at && moment(task.finished_at)],
    [t.task.exit, task.exit_code === null ? null : String(task.exit_code)],
    [t.task.thread, task.thread_id],
    [t.task.env, task.env && Object.keys(task.env).join(", ")],
  ];
  return (
    <ScrollView contentContainerStyle={styles.panel}>
      <View style={styles.head}>
        <Text kind="strong" role="heading" aria-level={2}>
          {t.task.prompt}
        </Text>
        <CopyButton kind="quiet" text={() => task.prompt} />
      </View>
      <Text selectable style={[styles.prompt, { backgroundColor: colors.raised }]}>
        {task.prompt}
      </Text>
      {facts.map(
        ([name, value]) =>
          value && (
            <View key={name} style={styles.fact}>
              <Text kind="small" tone="soft">
                {name}
              </Text>
              <Text selectable>{value}</Text>
            </View>
          ),
      )}
    </ScrollView>
  );
}

const styles = StyleSheet.create({
  panel: { gap: space.m, paddingVertical: space.m },
  head: { flexDirection: "row", alignItems: "center", justifyContent: "space-between" },
  prompt: { padding: space.m, borderRadius: 10 },
  fact: { gap: 2 },
});
