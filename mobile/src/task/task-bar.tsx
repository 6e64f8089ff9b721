import type { ReactNode } from "react";
import { StyleSheet, View } from "react-native";

import { Button } from "@/ui/button";
import { space, useIsShort } from "@/ui/theme";
import { t } from "./strings";

/** The line at the top of a task: the way back, where there is one, and what can be done. */
export function TaskBar({ onBack, middle, children }: { onBack?: () => void; middle?: ReactNode; children?: ReactNode }) {
  const isShort = useIsShort();
  return (
    <View style={styles.bar}>
      {onBack && <Button title={isShort ? "‹" : `‹ ${t.list.title}`} label={t.problem.back} kind="quiet" onPress={onBack} style={styles.back} />}
      {middle && <View style={styles.middle}>{middle}</View>}
      <View style={styles.actions}>{children}</View>
    </View>
  );
}

const styles = StyleSheet.create({
  bar: { paddingTop: space.s, flexDirection: "row", alignItems: "center", gap: space.m },
  back: { alignItems: "flex-start", paddingLeft: 0, paddingRight: space.s },
  middle: { flexShrink: 1, flexDirection: "row", alignItems: "center", gap: space.m },
  actions: { flexGrow: 1, flexDirection: "row", justifyContent: "flex-end" },
});
