import { TabList, TabSlot, TabTrigger, Tabs } from "expo-router/ui";
import { StyleSheet } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { TabButton } from "@/frame/tab-button";
import { t } from "@/strings";
import { space, useColors, useIsWide } from "@/ui/theme";

/** The screens that are a thumb away. A tablet has the side pane in place of the bar. */
export default function TabsLayout() {
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const isWide = useIsWide();
  return (
    <Tabs style={styles.fill}>
      <TabSlot style={styles.fill} />
      <TabList role="tablist" aria-label={t.nav.main} style={[styles.bar, { backgroundColor: colors.raised, borderColor: colors.line, paddingBottom: insets.bottom, paddingLeft: insets.left + space.s, paddingRight: insets.right + space.s }, isWide && styles.none]}>
        <TabTrigger name="index" href="/" asChild>
          <TabButton title={t.nav.tasks} />
        </TabTrigger>
        <TabTrigger name="new" href="/new" asChild>
          <TabButton title={t.nav.compose} />
        </TabTrigger>
        <TabTrigger name="settings" href="/settings" asChild>
          <TabButton title={t.nav.settings} />
        </TabTrigger>
      </TabList>
    </Tabs>
  );
}

const styles = StyleSheet.create({
  fill: { flex: 1 },
  bar: { flexDirection: "row", justifyContent: "space-around", borderTopWidth: StyleSheet.hairlineWidth },
  none: { display: "none" },
});
