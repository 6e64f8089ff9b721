import { useMemo, useState } from "react";
import { Platform, ScrollView, StyleSheet, View, useWindowDimensions } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { Inlines } from "./inlines";
import { type Align, type Inline, plain } from "./parse";

/** Rows that are shown before somebody asks for all. */
export const FEW = 30;
/** How wide a column is, in characters, at the least and at the most; and a character, in points. */
const [NARROW, WIDE, CHARACTER] = [4, 26, 8.5];

interface TableProps {
  aligns: Align[];
  head: Inline[][];
  rows: Inline[][][];
}

/** A table that goes on to the side. */
export function Table({ aligns, head, rows }: TableProps) {
  const colors = useColors();
  const { fontScale } = useWindowDimensions();
  const [isOpen, setOpen] = useState(false);
  const names = useMemo(() => head.map(plain), [head]);
  const widths = useMemo(() => head.map((cell, column) => widthOf([cell, ...rows.map((row) => row[column] ?? [])])), [head, rows]);
  const shown = isOpen ? rows : rows.slice(0, FEW);
  const cell = (parts: Inline[], column: number, isHead: boolean) => (
    <View key={column} role={isHead ? "columnheader" : "cell"} style={[styles.cell, { width: ((widths[column] ?? NARROW) + 1) * CHARACTER * fontScale + 2 * space.s, borderColor: colors.line }]}>
      <Text kind={isHead ? "strong" : "body"} selectable style={{ textAlign: aligns[column] ?? "left" }} {...(!isHead && spoken(names[column], parts))}>
        <Inlines parts={parts} />
      </Text>
    </View>
  );
  return (
    <View>
      <ScrollView horizontal tabIndex={0} role="group" aria-label={t.table(rows.length)}>
        <View role="table" aria-colcount={head.length} aria-rowcount={rows.length + 1} style={[styles.table, { borderColor: colors.line }]}>
          <View role="row" style={[styles.row, { backgroundColor: colors.sunken }]}>
            {head.map((parts, column) => cell(parts, column, true))}
          </View>
          {shown.map((row, index) => (
            <View key={index} role="row" style={styles.row}>
              {head.map((_, column) => cell(row[column] ?? [], column, false))}
            </View>
          ))}
        </View>
      </ScrollView>
      {rows.length > FEW && <Button kind="quiet" style={styles.more} aria-expanded={isOpen} title={isOpen ? t.log.showLess : t.showRows(rows.length)} onPress={() => setOpen(!isOpen)} />}
    </View>
  );
}

const widthOf = (cells: Inline[][]): number => cells.reduce((most, cell) => Math.min(WIDE, Math.max(most, plain(cell).length)), NARROW);

/** Phones know nothing of tables: there a cell is read with the name of its column. */
const spoken = (name: string | undefined, parts: Inline[]): object => (Platform.OS === "web" || !name ? {} : { "aria-label": `${name}: ${plain(parts)}` });

const styles = StyleSheet.create({
  table: { borderTopWidth: 1, borderLeftWidth: 1 },
  row: { flexDirection: "row" },
  cell: { padding: space.s, borderRightWidth: 1, borderBottomWidth: 1 },
  more: { alignSelf: "flex-start", paddingHorizontal: 0 },
});
