import type { TabTriggerSlotProps } from "expo-router/ui";
import { Pressable, StyleSheet, View } from "react-native";

import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";

/** One place of the bar at the bottom. */
export function TabButton({ title, isFocused = false, ref, ...rest }: TabTriggerSlotProps & { title: string }) {
  const colors = useColors();
  return (
    <Pressable ref={ref} {...rest} role="tab" aria-selected={isFocused} aria-label={title} style={styles.button}>
      <View style={[styles.mark, isFocused && { backgroundColor: colors.accent }]} />
      <Text kind={isFocused ? "strong" : "body"} tone={isFocused ? "text" : "soft"} style={styles.title}>
        {title}
      </Text>
    </Pressable>
  );
}

const styles = StyleSheet.create({
  button: { flex: 1, minHeight: TOUCH + space.s, alignItems: "center", justifyContent: "center", paddingBottom: space.s, paddingHorizontal: space.xs },
  mark: { height: 3, width: 40, borderRadius: 2, marginBottom: space.s },
  title: { textAlign: "center" },
});
