import type { LineKind } from "@codex-remote/view";
import { StyleSheet, Text, View } from "react-native";

import { MONO } from "@/ui/text";
import { space } from "@/ui/theme";
import { AnsiText } from "./ansi-text";

export interface TerminalLineProps {
  /** The number of the line, as wide as the largest one. */
  number: string;
  text: string;
  kind: LineKind;
  color: string;
  numberColor: string;
  /** The ground of a line that stands out. */
  ground?: string;
  /** What is searched for, in lower case. */
  mark: string;
  isWrapped: boolean;
}

/** One line of the terminal, as a phone draws it. */
export function TerminalLine({ number, text, kind, color, numberColor, ground, mark, isWrapped }: TerminalLineProps) {
  return (
    <View testID="line" style={ground ? [styles.line, { backgroundColor: ground }] : styles.line}>
      <Text aria-hidden style={[styles.text, { color: numberColor }]}>
        {number}
      </Text>
      <Text selectable style={[styles.text, isWrapped && styles.wrapped, kind === "command" && styles.command, kind === "note" && styles.note, { color }]} numberOfLines={isWrapped ? undefined : 1}>
        <AnsiText text={text} mark={mark} />
      </Text>
    </View>
  );
}

const styles = StyleSheet.create({
  line: { flexDirection: "row", gap: space.s, paddingHorizontal: space.s },
  text: { fontSize: 13, fontFamily: MONO },
  wrapped: { flex: 1 },
  command: { fontWeight: "600" },
  note: { fontStyle: "italic" },
});
