import type { Line, LineKind } from "@codex-remote/view";
import { memo } from "react";
import { StyleSheet, View } from "react-native";

import { Text } from "@/ui/text";
import { type Palette, space, useColors } from "@/ui/theme";
import { AnsiText } from "./ansi-text";

const tones: Record<LineKind, keyof Palette> = { out: "text", err: "soft", command: "busy", message: "text", note: "soft", bad: "bad" };

export interface TerminalLineProps {
  line: Line;
  /** Counted from 1 over the whole log. */
  number: number;
  /** How many characters the largest number has. */
  digits: number;
  isWrapped: boolean;
  mark: string;
  isMarked: boolean;
}

export const TerminalLine = memo(function TerminalLine({ line, number, digits, isWrapped, mark, isMarked }: TerminalLineProps) {
  const colors = useColors();
  return (
    <View testID="line" style={[styles.line, isMarked && { backgroundColor: colors.busyGround }]}>
      <Text kind="mono" tone="soft" aria-hidden style={styles.text}>
        {String(number).padStart(digits)}
      </Text>
      <Text kind="mono" tone={tones[line.kind]} selectable style={[styles.text, isWrapped && styles.wrapped, line.kind === "command" && styles.command, line.kind === "note" && styles.note]} {...(!isWrapped && { numberOfLines: 1 })}>
        <AnsiText text={line.text} mark={mark} />
      </Text>
    </View>
  );
});

const styles = StyleSheet.create({
  line: { flexDirection: "row", gap: space.s, paddingHorizontal: space.s },
  text: { fontSize: 13 },
  wrapped: { flex: 1 },
  command: { fontWeight: "600" },
  note: { fontStyle: "italic" },
});
