import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";

export interface SearchBarProps {
  needle: string;
  onNeedle: (text: string) => void;
  /** Which match is shown, counted from 1, and how many there are. */
  matches: { at: number; of: number };
  onMatch: (step: 1 | -1) => void;
}

export function SearchBar({ needle, onNeedle, matches, onMatch }: SearchBarProps) {
  return (
    <View style={styles.bar}>
      <View style={styles.field}>
        <Field
          label={t.log.search}
          isLabelHidden
          placeholder={t.log.search}
          value={needle}
          onChangeText={onNeedle}
          onSubmitEditing={() => onMatch(1)}
          submitBehavior="submit"
          returnKeyType="search"
          autoCapitalize="none"
          autoCorrect={false}
          inputMode="search"
          clearButtonMode="while-editing"
        />
      </View>
      {needle !== "" && (
        <>
          <Text kind="small" tone="soft" role="status">
            {t.log.matches(matches.at, matches.of)}
          </Text>
          <Button title="↑" label={t.log.previous} isDisabled={matches.of === 0} onPress={() => onMatch(-1)} />
          <Button title="↓" label={t.log.next} isDisabled={matches.of === 0} onPress={() => onMatch(1)} />
        </>
      )}
    </View>
  );
}

const styles = StyleSheet.create({
  bar: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", gap: space.s },
  field: { flexGrow: 1, flexBasis: 160 },
});
