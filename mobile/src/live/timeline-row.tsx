import { type Row, clockTime, isProblem, plainMessage, rowName, textOf } from "@codex-remote/view";
import { Fragment, type ReactNode, memo } from "react";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { CopyButton } from "./action-button";
import { Item } from "./items";
import { OutputLines } from "./output-lines";

/** One row; drawn again only when the row is another one. */
export const TimelineRow = memo(function TimelineRow({ row, isMarked, isOver = false }: { row: Row; isMarked: boolean; isOver?: boolean }) {
  const colors = useColors();
  const edge = isMarked ? colors.accent : isProblem(row) ? colors.bad : colors.line;
  return (
    <View role="article" aria-label={rowName(row)} testID={`row-${row.kind === "item" ? row.item.type : row.kind}`} style={[styles.row, { borderColor: edge, backgroundColor: colors.raised }, isMarked && styles.marked]}>
      <View style={styles.head}>
        <Text kind="small" tone={isProblem(row) ? "bad" : "soft"} style={styles.name}>
          {rowName(row)}
        </Text>
        {row.kind === "item" && row.isOpen && (
          <Text kind="small" tone={isOver ? "soft" : "busy"}>
            {isOver ? t.stopped : t.log.running}
          </Text>
        )}
        <View style={styles.fill} />
        {row.kind !== "gap" && <CopyButton kind="quiet" text={() => textOf(row)} style={styles.copy} />}
        <Text kind="small" tone="soft">
          {clockTime(row.ts)}
        </Text>
      </View>
      {/* A list draws another row in the place of this one; what was opened here is not open there. */}
      <Fragment key={row.id}>{bodyOf(row)}</Fragment>
    </View>
  );
});

function bodyOf(row: Row): ReactNode {
  switch (row.kind) {
    case "item":
      return <Item item={row.item} />;
    case "output":
      return <OutputLines lines={row.lines.map((line) => line.text)} />;
    case "error":
      return <Text selectable>{plainMessage(row.message)}</Text>;
    case "note":
      return <Text selectable>{row.text}</Text>;
    case "gap":
      return null;
  }
}

const styles = StyleSheet.create({
  // The head is as high as a finger is wide, which is room enough above it.
  row: { borderWidth: 1, borderRadius: 10, paddingHorizontal: space.m, paddingBottom: space.m, gap: space.xs, marginBottom: space.s },
  marked: { borderWidth: 2, paddingHorizontal: space.m - 1, paddingBottom: space.m - 1, marginTop: -1 },
  head: { flexDirection: "row", alignItems: "center", flexWrap: "wrap", gap: space.s },
  name: { fontWeight: "600" },
  fill: { flex: 1 },
  copy: { paddingVertical: 0, paddingHorizontal: space.s },
});
