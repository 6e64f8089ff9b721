import { StyleSheet, Switch, View } from "react-native";

import { labelled } from "./labelled";
import { Text } from "./text";
import { TOUCH, space, useColors } from "./theme";

export function SwitchRow({ label, hint, isOn, onChange, isDisabled = false }: { label: string; hint?: string; isOn: boolean; onChange: (isOn: boolean) => void; isDisabled?: boolean }) {
  const colors = useColors();
  return (
    <View style={styles.row}>
      <View style={styles.words}>
        <Text aria-hidden>{label}</Text>
        {hint && (
          <Text kind="small" tone="soft">
            {hint}
          </Text>
        )}
      </View>
      <Switch {...labelled(label)} accessibilityHint={hint} value={isOn} onValueChange={onChange} disabled={isDisabled} trackColor={{ false: colors.edge, true: colors.accent }} thumbColor={colors.ground} />
    </View>
  );
}

const styles = StyleSheet.create({
  row: { minHeight: TOUCH, flexDirection: "row", alignItems: "center", gap: space.m },
  words: { flex: 1, gap: space.xs },
});
