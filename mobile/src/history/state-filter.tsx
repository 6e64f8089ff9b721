import type { TaskState } from "@codex-remote/sdk";
import { Pressable, ScrollView, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";

const states: (TaskState | "")[] = ["", "queued", "running", "completed", "error", "canceled"];

/** Which tasks to show, as a row that scrolls where letters are large. */
export function StateFilter({ value, onChange }: { value: TaskState | ""; onChange: (value: TaskState | "") => void }) {
  const colors = useColors();
  return (
    <ScrollView horizontal showsHorizontalScrollIndicator={false} keyboardShouldPersistTaps="handled">
      <View role="radiogroup" aria-label={t.list.state} style={styles.row}>
        {states.map((state) => {
          const isChosen = state === value;
          return (
            <Pressable
              key={state}
              role="radio"
              aria-checked={isChosen}
              onPress={() => onChange(state)}
              style={[styles.chip, isChosen && styles.chosen, { borderColor: isChosen ? colors.accent : colors.edge, backgroundColor: isChosen ? colors.accent : colors.ground }]}
            >
              <Text kind="small" tone={isChosen ? "accentText" : "text"} style={isChosen && styles.name}>
                {state === "" ? t.list.all : t.states[state]}
              </Text>
            </Pressable>
          );
        })}
      </View>
    </ScrollView>
  );
}

const styles = StyleSheet.create({
  row: { flexDirection: "row", gap: space.s },
  chip: { minHeight: TOUCH, minWidth: TOUCH, alignItems: "center", justifyContent: "center", paddingHorizontal: space.m, borderRadius: 999, borderWidth: 1 },
  // Also to be told from the others where the system chooses all colours.
  chosen: { borderWidth: 2, paddingHorizontal: space.m - 1 },
  name: { fontWeight: "600" },
});
