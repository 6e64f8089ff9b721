import { type Ref, useState } from "react";
import { Pressable, StyleSheet, TextInput, type TextInputProps, View } from "react-native";

import { t } from "@/strings";
import { Text } from "./text";
import { TOUCH, space, useColors } from "./theme";

export interface FieldProps extends TextInputProps {
  label: string;
  /** Stands below the field. */
  hint?: string;
  /** What is wrong with what was typed. */
  problem?: string | null;
  /** The label is read out, and not seen. */
  isLabelHidden?: boolean;
  /** Empties the field; there is a button for it while there is something in it. */
  onClear?: () => void;
  ref?: Ref<TextInput>;
}

export function Field({ label, hint, problem, isLabelHidden = false, onClear, style, onFocus, onBlur, ...rest }: FieldProps) {
  const colors = useColors();
  const [hasFocus, setFocus] = useState(false);
  const edge = problem ? colors.bad : hasFocus ? colors.accent : colors.edge;
  return (
    <View style={styles.field}>
      {!isLabelHidden && (
        <Text kind="small" tone="soft" aria-hidden>
          {label}
        </Text>
      )}
      <View>
        <TextInput
          aria-label={label}
          accessibilityHint={problem ?? hint}
          placeholderTextColor={colors.soft}
          onFocus={(event) => {
            setFocus(true);
            onFocus?.(event);
          }}
          onBlur={(event) => {
            setFocus(false);
            onBlur?.(event);
          }}
          style={[styles.input, { color: colors.text, backgroundColor: colors.ground, borderColor: edge }, hasFocus && styles.focus, onClear && styles.clearable, style]}
          {...rest}
        />
        {onClear && rest.value ? (
          <Pressable role="button" aria-label={t.clear} onPress={onClear} style={styles.clear}>
            <Text tone="soft">✕</Text>
          </Pressable>
        ) : null}
      </View>
      {(problem ?? hint) && (
        <Text kind="small" tone={problem ? "bad" : "soft"} {...(problem && { role: "alert" })}>
          {problem ?? hint}
        </Text>
      )}
    </View>
  );
}

const styles = StyleSheet.create({
  field: { gap: space.xs },
  input: { minHeight: TOUCH, paddingHorizontal: space.m, paddingVertical: space.s, borderRadius: 10, borderWidth: 1, fontSize: 16 },
  clearable: { paddingRight: TOUCH },
  clear: { position: "absolute", right: 0, top: 0, bottom: 0, width: TOUCH, alignItems: "center", justifyContent: "center" },
  // The frame says where the focus is, so nothing else has to.
  focus: { borderWidth: 2, paddingHorizontal: space.m - 1, outlineStyle: "none" as "solid" },
});
