import { Pressable, type PressableProps, StyleSheet, type StyleProp, type ViewStyle } from "react-native";

import { Text } from "./text";
import { type Palette, TOUCH, space, useColors } from "./theme";

export type ButtonKind = "primary" | "plain" | "quiet" | "danger";

export interface ButtonProps extends Omit<PressableProps, "children" | "style" | "disabled"> {
  title: string;
  kind?: ButtonKind;
  isDisabled?: boolean;
  /** What a screen reader says in place of the title. */
  label?: string;
  style?: StyleProp<ViewStyle>;
}

export function Button({ title, kind = "plain", isDisabled = false, label, style, ...rest }: ButtonProps) {
  const colors = useColors();
  const look = looks(colors)[kind];
  return (
    <Pressable
      role="button"
      aria-label={label ?? title}
      aria-disabled={isDisabled}
      disabled={isDisabled}
      style={({ pressed }) => [styles.button, look.box, pressed && styles.pressed, isDisabled && styles.disabled, style]}
      {...rest}
    >
      <Text kind="strong" tone={look.text} style={styles.title}>
        {title}
      </Text>
    </Pressable>
  );
}

function looks(colors: Palette): Record<ButtonKind, { box: ViewStyle; text: keyof Palette }> {
  return {
    primary: { box: { backgroundColor: colors.accent }, text: "accentText" },
    plain: { box: { backgroundColor: colors.raised, borderColor: colors.edge }, text: "text" },
    quiet: { box: {}, text: "accent" },
    danger: { box: { backgroundColor: colors.raised, borderColor: colors.bad }, text: "bad" },
  };
}

const styles = StyleSheet.create({
  button: { minHeight: TOUCH, minWidth: TOUCH, paddingHorizontal: space.l, paddingVertical: space.s, borderRadius: 10, borderWidth: 1, borderColor: "transparent", alignItems: "center", justifyContent: "center" },
  title: { textAlign: "center" },
  pressed: { opacity: 0.7 },
  disabled: { opacity: 0.6 },
});
