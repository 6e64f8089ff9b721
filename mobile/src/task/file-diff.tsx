import { FlashList } from "@shopify/flash-list";
import type { Change, PatchFile } from "@codex-remote/view";
import { memo, useMemo, useState } from "react";
import { ScrollView, StyleSheet, View, useWindowDimensions } from "react-native";

import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { type Palette, space, useColors } from "@/ui/theme";
import { Counts } from "./changes-panel";
import { t } from "./strings";

type DiffRow = { kind: "hunk"; header: string } | ({ kind: "change" } & Change);

interface FileDiffProps {
  file: PatchFile;
  /** Which of the files it is, counted from 0, and how many there are. */
  at: number;
  of: number;
  /** Shows another file, or the list where there is none. */
  onGo: (at: number | null) => void;
}

/** How wide a character is at most, in points. */
const WIDTH = 8.5;

/** One changed file, wrapped or scrolled sideways as the reader likes. */
export function FileDiff({ file, at, of, onGo }: FileDiffProps) {
  const { fontScale, width } = useWindowDimensions();
  const [isWrapped, setWrapped] = useState(true);
  const rows = useMemo(() => file.hunks.flatMap((hunk): DiffRow[] => [{ kind: "hunk", header: hunk.header }, ...hunk.changes.map((change): DiffRow => ({ kind: "change", ...change }))]), [file]);
  const longest = useMemo(() => rows.reduce((most, row) => Math.max(most, row.kind === "change" ? row.content.length : 0), 0), [rows]);
  const list = <FlashList tabIndex={0} data={rows} keyExtractor={(_, index) => String(index)} getItemType={(row) => row.kind} renderItem={({ item }) => <DiffLine row={item} isWrapped={isWrapped} />} />;
  return (
    <View style={styles.panel}>
      <View style={styles.bar}>
        <Button title={`‹ ${t.allFiles}`} label={t.allFiles} onPress={() => onGo(null)} />
        <Button title="↑" label={t.previousFile} isDisabled={at === 0} onPress={() => onGo(at - 1)} />
        <Button title="↓" label={t.nextFile} isDisabled={at + 1 === of} onPress={() => onGo(at + 1)} />
        <Button title={isWrapped ? t.noWrap : t.log.wrap} onPress={() => setWrapped(!isWrapped)} />
      </View>
      <View>
        <Text kind="mono" role="heading" aria-level={2} selectable>
          {file.oldPath ? `${file.oldPath} → ${file.path}` : file.path}
        </Text>
        <View style={styles.bar}>
          <Text kind="small" tone="soft">
            {`${t.file(at + 1, of)} · ${t.diff.kinds[file.kind]}`}
          </Text>
          <Counts added={file.added} removed={file.removed} />
        </View>
      </View>
      {file.isBinary && <Text tone="soft">{t.diff.binary}</Text>}
      {!file.isBinary && rows.length === 0 && <Text tone="soft">{t.diff.empty}</Text>}
      <View style={styles.fill} testID="diff">
        {isWrapped ? (
          list
        ) : (
          <ScrollView horizontal style={styles.fill}>
            <View style={{ width: Math.max(width, (Math.min(longest, 2_000) + 12) * WIDTH * fontScale) }}>{list}</View>
          </ScrollView>
        )}
      </View>
    </View>
  );
}

const looks: Record<Change["type"], { sign: string; said: string; ground: keyof Palette | null }> = {
  insert: { sign: "+", said: t.addedLine, ground: "added" },
  delete: { sign: "−", said: t.removedLine, ground: "removed" },
  normal: { sign: " ", said: "", ground: null },
};

const DiffLine = memo(function DiffLine({ row, isWrapped }: { row: DiffRow; isWrapped: boolean }) {
  const colors = useColors();
  if (row.kind === "hunk") {
    return (
      <Text kind="mono" tone="soft" numberOfLines={1} style={[styles.text, styles.hunk, { backgroundColor: colors.busyGround }]}>
        {row.header}
      </Text>
    );
  }
  const { sign, said, ground } = looks[row.type];
  return (
    <View style={[styles.line, ground && { backgroundColor: colors[ground] }]} accessible aria-label={`${said} ${row.content}`.trim()}>
      <Text kind="mono" tone="soft" aria-hidden style={[styles.text, styles.number]}>
        {row.after ?? row.before}
      </Text>
      <Text kind="mono" tone="soft" aria-hidden style={styles.text}>
        {sign}
      </Text>
      <Text kind="mono" selectable style={[styles.text, isWrapped && styles.wrapped]} {...(!isWrapped && { numberOfLines: 1 })}>
        {row.content || "\u200b"}
      </Text>
    </View>
  );
});

const styles = StyleSheet.create({
  panel: { flex: 1, gap: space.s, paddingTop: space.s },
  bar: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", gap: space.s },
  fill: { flex: 1 },
  wrapped: { flex: 1, minWidth: 0 },
  line: { flexDirection: "row", gap: space.s, paddingHorizontal: space.xs },
  hunk: { paddingHorizontal: space.xs },
  text: { fontSize: 13 },
  number: { minWidth: 34, textAlign: "right" },
});
