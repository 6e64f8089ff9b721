import type { TaskState } from "@codex-remote/sdk";
import { StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Text } from "./text";
import { type Palette, useColors } from "./theme";

const looks: Record<TaskState, { text: keyof Palette; ground: keyof Palette }> = {
  queued: { text: "soft", ground: "sunken" },
  running: { text: "busy", ground: "busyGround" },
  completed: { text: "good", ground: "goodGround" },
  error: { text: "bad", ground: "badGround" },
  canceled: { text: "warn", ground: "warnGround" },
};

export function StateBadge({ state }: { state: TaskState }) {
  const colors = useColors();
  const look = looks[state];
  return (
    <View testID="state" style={[styles.badge, { backgroundColor: colors[look.ground] }]}>
      <Text kind="small" tone={look.text} style={styles.text}>
        {t.states[state]}
      </Text>
    </View>
  );
}

const styles = StyleSheet.create({
  badge: { paddingHorizontal: 8, paddingVertical: 2, borderRadius: 999, alignSelf: "flex-start" },
  text: { fontWeight: "600" },
});
