import { Pressable, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";
import { changeComposer, forgetRecent, useRecent } from "./kept";

/** What was asked for lately on this device; a touch puts it into the field. */
export function RecentPrompts({ server }: { server: string }) {
  const colors = useColors();
  const recent = useRecent(server);
  if (recent.length === 0) return null;
  return (
    <View style={styles.list}>
      <View style={styles.head}>
        <Text kind="heading" style={styles.title}>
          {t.composer.recent}
        </Text>
        <Button title={t.composer.recentClear} kind="quiet" onPress={() => forgetRecent(server)} />
      </View>
      {recent.map((prompt) => (
        <Pressable
          key={prompt}
          role="button"
          onPress={() => changeComposer(server, { draft: prompt })}
          style={[styles.entry, { borderColor: colors.line }]}
        >
          <Text numberOfLines={2}>{prompt}</Text>
        </Pressable>
      ))}
    </View>
  );
}

const styles = StyleSheet.create({
  list: { gap: space.xs },
  head: { flexDirection: "row", alignItems: "center", flexWrap: "wrap" },
  title: { flexGrow: 1 },
  entry: { minHeight: TOUCH, justifyContent: "center", paddingVertical: space.s, borderBottomWidth: StyleSheet.hairlineWidth },
});
