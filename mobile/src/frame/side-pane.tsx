import { useRouter } from "expo-router";
import { StyleSheet, View, useWindowDimensions } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { History } from "@/history/history";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { space, useColors } from "@/ui/theme";

/** The most that the pane takes beside a notch: of the screen, and in points. */
const SHARE = 0.38;
const WIDEST = 380;

/** What stands on the left of a tablet: the list, and the ways to everything else. */
export function SidePane({ selected, onOpen }: { selected: string | null; onOpen: (id: string) => void }) {
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const router = useRouter();
  const { width } = useWindowDimensions();
  return (
    <View role="complementary" aria-label={t.list.title} style={[styles.pane, { width: Math.min(WIDEST, width * SHARE) + insets.left, borderColor: colors.line }]}>
      <View style={styles.fill}>
        <History selected={selected} onOpen={({ task_id: id }) => onOpen(id)} onCompose={() => router.navigate("/new")} />
      </View>
      <View role="navigation" aria-label={t.nav.main} style={[styles.bar, { borderColor: colors.line, paddingLeft: insets.left + space.s, paddingBottom: insets.bottom + space.s }]}>
        <Button title={t.nav.compose} kind="primary" onPress={() => router.navigate("/new")} style={styles.fill} />
        <Button title={t.nav.settings} onPress={() => router.navigate("/settings")} />
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  pane: { borderRightWidth: StyleSheet.hairlineWidth },
  fill: { flex: 1 },
  bar: { flexDirection: "row", gap: space.s, padding: space.s, borderTopWidth: StyleSheet.hairlineWidth },
});
