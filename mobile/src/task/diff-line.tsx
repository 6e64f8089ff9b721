import { type Change, count } from "@codex-remote/view";
import type { CodeSpan } from "@codex-remote/view/highlight";
import { memo } from "react";
import { Platform, StyleSheet, View } from "react-native";

import { CodeLine, widened } from "@/live/code-line";
import { Text } from "@/ui/text";
import { type Palette, space, useColors } from "@/ui/theme";
import { shownOf } from "./diff-rows";
import { t } from "./strings";

const looks: Record<Change["type"], { sign: string; said: string; ground: keyof Palette | null }> = {
  insert: { sign: "+", said: t.addedLine, ground: "added" },
  delete: { sign: "−", said: t.removedLine, ground: "removed" },
  normal: { sign: " ", said: "", ground: null },
};

interface DiffLineProps {
  change: Change;
  spans: CodeSpan[] | null;
  isWrapped: boolean;
  /** How wide line numbers are, in characters. */
  digits: number;
}

export const DiffLine = memo(function DiffLine({ change, spans, isWrapped, digits }: DiffLineProps) {
  const colors = useColors();
  const { sign, said, ground } = looks[change.type];
  const { text, hidden } = shownOf(change);
  const end = change.isUnended ? t.diff.noNewline : "";
  return (
    <View style={[styles.line, ground && { backgroundColor: colors[ground] }]} accessible aria-label={[said, text, end].filter(Boolean).join(" ")} testID={`line-${change.type}`}>
      <Text kind="mono" tone="soft" aria-hidden style={styles.text}>
        {`${String(change.after ?? change.before ?? "").padStart(digits)} ${sign}`}
      </Text>
      <Text kind="mono" selectable numberOfLines={isWrapped ? undefined : unwrapped.numberOfLines} style={[styles.text, isWrapped ? styles.wrapped : unwrapped.style]}>
        {spans && spans.length > 0 ? <CodeLine spans={spans} /> : widened(text) || "\u200b"}
        {hidden > 0 && (
          <Text kind="small" tone="soft">
            {t.diff.cut(count(hidden))}
          </Text>
        )}
        {end && (
          <Text kind="small" tone="soft" style={styles.end}>
            {`  ⌁ ${end}`}
          </Text>
        )}
      </Text>
    </View>
  );
});

export const HunkLine = memo(function HunkLine({ header }: { header: string }) {
  const colors = useColors();
  return (
    <Text kind="mono" tone="soft" numberOfLines={1} style={[styles.text, styles.hunk, { backgroundColor: colors.busyGround }]}>
      {header}
    </Text>
  );
});

/** In a page a text of one line would lose the spaces before it, which are half of what code says. */
const unwrapped = Platform.OS === "web" ? { numberOfLines: undefined, style: { whiteSpace: "pre" } as object } : { numberOfLines: 1, style: null };

const styles = StyleSheet.create({
  line: { flexDirection: "row", gap: space.s, paddingHorizontal: space.xs },
  // A word that is longer than the line is broken.
  wrapped: { flex: 1, minWidth: 0 },
  hunk: { paddingHorizontal: space.xs, paddingVertical: 2 },
  text: { fontSize: 13 },
  end: { fontSize: 12 },
});
