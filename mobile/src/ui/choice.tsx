import { useState } from "react";
import { Pressable, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "./button";
import { Dialog } from "./dialog";
import { Text } from "./text";
import { TOUCH, space, useColors } from "./theme";

export interface Option<T extends string> {
  value: T;
  name: string;
  text?: string | null;
}

export interface ChoiceProps<T extends string> {
  label: string;
  options: Option<T>[];
  value: T;
  onChange: (value: T) => void;
  isDisabled?: boolean;
}

/** One of a few, chosen from a sheet: rooms for fingers, and for long names. */
export function Choice<T extends string>({ label, options, value, onChange, isDisabled = false }: ChoiceProps<T>) {
  const colors = useColors();
  const [isOpen, setOpen] = useState(false);
  const name = options.find((option) => option.value === value)?.name ?? "";
  return (
    <View style={styles.field}>
      <Text kind="small" tone="soft" aria-hidden>
        {label}
      </Text>
      <Pressable
        role="button"
        aria-label={`${label}: ${name}`}
        aria-disabled={isDisabled}
        disabled={isDisabled}
        onPress={() => setOpen(true)}
        style={[styles.button, { borderColor: colors.edge, backgroundColor: colors.ground }]}
      >
        <Text style={styles.name}>{name}</Text>
        <Text tone="soft" aria-hidden>
          ▾
        </Text>
      </Pressable>
      <Dialog isOpen={isOpen} onClose={() => setOpen(false)} title={label}>
        <View role="radiogroup" aria-label={label}>
          {options.map((option) => (
            <Pressable
              key={option.value}
              role="radio"
              aria-checked={option.value === value}
              aria-label={option.name}
              onPress={() => {
                onChange(option.value);
                setOpen(false);
              }}
              style={[styles.option, { borderColor: colors.line }]}
            >
              <Text tone={option.value === value ? "accent" : "soft"} aria-hidden>
                {option.value === value ? "●" : "○"}
              </Text>
              <View style={styles.words}>
                <Text>{option.name}</Text>
                {option.text && (
                  <Text kind="small" tone="soft">
                    {option.text}
                  </Text>
                )}
              </View>
            </Pressable>
          ))}
        </View>
        <Button title={t.close} onPress={() => setOpen(false)} />
      </Dialog>
    </View>
  );
}

const styles = StyleSheet.create({
  field: { gap: space.xs },
  button: { minHeight: TOUCH, flexDirection: "row", alignItems: "center", gap: space.s, paddingHorizontal: space.m, paddingVertical: space.s, borderRadius: 10, borderWidth: 1 },
  name: { flex: 1 },
  option: { minHeight: TOUCH, flexDirection: "row", alignItems: "center", gap: space.m, paddingVertical: space.s, borderBottomWidth: StyleSheet.hairlineWidth },
  words: { flex: 1 },
});
