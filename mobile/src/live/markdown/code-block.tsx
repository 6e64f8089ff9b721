import { useMemo, useState } from "react";
import { ScrollView, StyleSheet, View } from "react-native";

import { useHighlighter } from "@/platform/highlighter";
import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { CopyButton } from "../action-button";
import { CodeLine, widened } from "../code-line";

/** Lines that are shown before somebody asks for all. */
export const FEW = 40;

/** Code of a message, with the name of its language and its colours. */
export function CodeBlock({ text, language }: { text: string; language: string }) {
  const colors = useColors();
  const highlighter = useHighlighter();
  const [isOpen, setOpen] = useState(false);
  const lines = useMemo(() => text.split("\n"), [text]);
  const colored = useMemo(() => highlighter?.highlightCode(text, language) ?? null, [highlighter, text, language]);
  const shown = isOpen ? lines : lines.slice(0, FEW);
  return (
    <View style={[styles.block, { backgroundColor: colors.sunken }]} testID="code">
      <View style={styles.head}>
        <Text kind="small" tone="soft" style={styles.language}>
          {language || t.code}
        </Text>
        <CopyButton kind="quiet" label={t.copyCode} text={() => text} style={styles.copy} />
      </View>
      <ScrollView horizontal tabIndex={0} role="group" aria-label={language || t.code}>
        <Text kind="mono" selectable>
          {shown.map((line, index) => {
            const spans = colored?.[index];
            const end = index + 1 < shown.length ? "\n" : "";
            return spans ? [<CodeLine key={index} spans={spans} />, end] : widened(line) + end;
          })}
        </Text>
      </ScrollView>
      {lines.length > FEW && <Button kind="quiet" style={styles.more} aria-expanded={isOpen} title={isOpen ? t.log.showLess : t.log.showAll(lines.length)} onPress={() => setOpen(!isOpen)} />}
    </View>
  );
}

const styles = StyleSheet.create({
  block: { borderRadius: 6, paddingHorizontal: space.s, paddingBottom: space.s },
  head: { flexDirection: "row", alignItems: "center", flexWrap: "wrap" },
  language: { flexGrow: 1 },
  copy: { paddingVertical: 0, paddingHorizontal: space.s },
  more: { alignSelf: "flex-start", paddingHorizontal: 0 },
});
