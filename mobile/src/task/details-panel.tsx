import type { Task } from "@codex-remote/sdk";
import { taskFacts } from "@codex-remote/view";
import { ScrollView, StyleSheet, View } from "react-native";

import { CopyButton } from "@/live/action-button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { t } from "./strings";

export function DetailsPanel({ task }: { task: Task }) {
  const colors = useColors();
  const facts = taskFacts(task);
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
