import { FlashList } from "@shopify/flash-list";
import { type PatchFile, count, modeOf } from "@codex-remote/view";
import { useCallback, useMemo, useState } from "react";
import { ScrollView, StyleSheet, View, useWindowDimensions } from "react-native";

import { CopyButton } from "@/live/action-button";
import { useHighlighter } from "@/platform/highlighter";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { TOUCH, space } from "@/ui/theme";
import { Counts } from "./counts";
import { DiffLine, HunkLine } from "./diff-line";
import { DiffColors, type DiffRow, PART, digitsOf, rowsOf, widthOf } from "./diff-rows";
import { t } from "./strings";

interface FileDiffProps {
  file: PatchFile;
  /** Which of the files it is, counted from 0, and how many there are. */
  at: number;
  of: number;
  /** What the next file is called, where there is one. */
  next: string | null;
  /** The file as a patch of its own. */
  piece: () => string;
  /** Shows another file, or the list where there is none. */
  onGo: (at: number | null) => void;
}

/** How wide a character is at most, in points. */
const WIDTH = 8.5;

/** One changed file, wrapped or scrolled sideways as the reader likes. */
export function FileDiff({ file, at, of, next, piece, onGo }: FileDiffProps) {
  const [isWrapped, setWrapped] = useState(true);
  const mode = modeOf(file);
  return (
    <View style={styles.panel}>
      <View style={styles.bar}>
        <Button title="‹" label={t.allFiles} onPress={() => onGo(null)} style={styles.button} />
        <Button title="↑" label={t.previousFile} isDisabled={at === 0} onPress={() => onGo(at - 1)} style={styles.button} />
        <Button title="↓" label={t.nextFile} isDisabled={at + 1 === of} onPress={() => onGo(at + 1)} style={styles.button} />
        <Button title={isWrapped ? t.noWrap : t.log.wrap} onPress={() => setWrapped(!isWrapped)} style={styles.button} />
        <CopyButton title={t.copy} label={t.copyFile} text={piece} style={styles.button} />
      </View>
      <View>
        <Text kind="mono" role="heading" aria-level={2} selectable numberOfLines={4}>
          {file.oldPath ? `${file.oldPath} → ${file.path}` : file.path}
        </Text>
        <View style={styles.facts}>
          <Text kind="small" tone="soft">
            {`${t.file(at + 1, of)} · ${t.diff.kinds[file.kind]}`}
          </Text>
          {mode && (
            <Text kind="small" tone="warn">
              {mode}
            </Text>
          )}
          <Counts added={file.added} removed={file.removed} />
        </View>
      </View>
      {file.isBinary && <Text tone="soft">{t.diff.binary}</Text>}
      {!file.isBinary && file.hunks.length === 0 && <Text tone="soft">{t.diff.empty}</Text>}
      <View style={styles.fill} testID="diff">
        <Lines file={file} isWrapped={isWrapped} next={next} onNext={() => onGo(at + 1)} />
      </View>
    </View>
  );
}

interface LinesProps {
  file: PatchFile;
  isWrapped: boolean;
  next: string | null;
  onNext: () => void;
}

function Lines({ file, isWrapped, next, onNext }: LinesProps) {
  const { fontScale, width } = useWindowDimensions();
  const highlighter = useHighlighter();
  const [most, setMost] = useState(PART);
  const all = useMemo(() => rowsOf(file), [file]);
  const rows = useMemo(() => all.slice(0, most), [all, most]);
  const colors = useMemo(() => new DiffColors(highlighter, file.path), [highlighter, file.path]);
  const digits = useMemo(() => digitsOf(file), [file]);
  const longest = useMemo(() => widthOf(file), [file]);
  const renderItem = useCallback(
    ({ item: row }: { item: DiffRow }) => {
      if (row.kind === "hunk") return <HunkLine header={row.header} />;
      const change = row.hunk.changes[row.at];
      return change ? <DiffLine change={change} spans={colors.spansOf(row.hunk, row.at)} isWrapped={isWrapped} digits={digits} /> : null;
    },
    [colors, digits, isWrapped],
  );
  const rest = all.length - rows.length;
  const footer = (
    <View style={styles.footer}>
      {rest > 0 && <Button title={t.diff.rest(count(Math.min(rest, PART)))} onPress={() => setMost(most + PART)} />}
      {rest === 0 && next !== null && <Button title={`${t.nextFile}: ${next} ›`} onPress={onNext} />}
    </View>
  );
  const list = <FlashList tabIndex={0} data={rows} keyExtractor={(_, index) => String(index)} getItemType={(row) => row.kind} renderItem={renderItem} ListFooterComponent={footer} />;
  if (isWrapped) return list;
  return (
    <ScrollView horizontal style={styles.fill}>
      <View style={{ width: Math.max(width, (longest + digits + 12) * WIDTH * fontScale) }}>{list}</View>
    </ScrollView>
  );
}

const styles = StyleSheet.create({
  panel: { flex: 1, gap: space.s, paddingTop: space.s },
  bar: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", gap: space.s },
  button: { minWidth: TOUCH, paddingHorizontal: space.s },
  facts: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", columnGap: space.m },
  fill: { flex: 1 },
  footer: { paddingVertical: space.m, alignItems: "flex-start" },
});
