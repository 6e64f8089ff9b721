import type { Connection } from "@codex-remote/view";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { type Palette, space, useColors } from "@/ui/theme";

const tones: Record<Connection["state"], keyof Palette> = { connecting: "soft", live: "good", waiting: "warn", paused: "warn", ended: "soft", failed: "bad" };

/** How the connection stands: what is drawn is only as new as the connection is alive. */
export function ConnectionState({ connection, onRetry }: { connection: Connection; onRetry: () => void }) {
  const colors = useColors();
  const { state } = connection;
  const words = state === "paused" ? t.paused[connection.reason] : t.connection[state];
  const error = state === "failed" ? connection.error.message : null;
  return (
    <View style={styles.row}>
      <View accessibilityHint={t.connection.explain[state]} testID="connection" style={styles.row}>
        <View style={[styles.dot, { backgroundColor: colors[tones[state]] }]} />
        <Text kind="small" tone="soft">
          {error ? `${words}: ${error}` : words}
        </Text>
      </View>
      {state === "failed" && <Button title={t.retry} kind="quiet" onPress={onRetry} />}
    </View>
  );
}

const styles = StyleSheet.create({
  row: { flexDirection: "row", alignItems: "center", flexWrap: "wrap", gap: space.s },
  dot: { width: 8, height: 8, borderRadius: 4 },
});
