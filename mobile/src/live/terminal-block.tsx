import type { Line, LineKind } from "@codex-remote/view";
import { memo } from "react";
import { StyleSheet, Text, View } from "react-native";

import { MONO } from "@/ui/text";
import { type Palette, space } from "@/ui/theme";
import { AnsiText } from "./ansi-text";

const tones: Record<LineKind, keyof Palette> = { out: "text", err: "soft", command: "busy", message: "text", note: "soft", bad: "bad" };

/** How many lines are drawn as one entry of the list: what a list does for each entry costs more than drawing a line. */
const SIZE = 10;

/** Lines that stand together. Which ones does not change when older lines are let go. */
export interface Block {
  id: number;
  /** The number of the first line, counted from 0 over the whole log. */
  from: number;
  lines: Line[];
}

export const blockOf = (number: number, dropped: number): number => Math.floor(number / SIZE) - Math.floor(dropped / SIZE);

/** The lines in blocks; `dropped` of them before the first one are gone. */
export function blocksOfLines(lines: readonly Line[], dropped: number): Block[] {
  const blocks: Block[] = [];
  for (let from = dropped; from < dropped + lines.length; ) {
    const id = Math.floor(from / SIZE);
    const end = (id + 1) * SIZE;
    blocks.push({ id, from, lines: lines.slice(from - dropped, end - dropped) });
    from = end;
  }
  return blocks;
}

export interface TerminalBlockProps {
  block: Block;
  /** How many characters the largest number has. */
  digits: number;
  isWrapped: boolean;
  mark: string;
  /** The numbers of the lines of this block that stand out, or -1. */
  hit: number;
  problem: number;
  colors: Palette;
}

/** Drawn again only when there is something else in it: lines never change, they only come and go at the ends. */
export const TerminalBlock = memo(function TerminalBlock({ block, digits, isWrapped, mark, hit, problem, colors }: TerminalBlockProps) {
  return block.lines.map((line, index) => {
    const number = block.from + index;
    const isMarked = number === hit || number === problem;
    return (
      <View key={number} testID="line" style={isMarked ? [styles.line, { backgroundColor: colors.busyGround }] : styles.line}>
        <Text aria-hidden style={[styles.text, { color: colors.soft }]}>
          {String(number + 1).padStart(digits)}
        </Text>
        <Text selectable style={[styles.text, isWrapped && styles.wrapped, line.kind === "command" && styles.command, line.kind === "note" && styles.note, { color: colors[tones[line.kind]] }]} numberOfLines={isWrapped ? undefined : 1}>
          <AnsiText text={line.text} mark={mark} />
        </Text>
      </View>
    );
  });
}, isSame);

function isSame(before: TerminalBlockProps, after: TerminalBlockProps): boolean {
  const { block: one, ...rest } = before;
  const { block: other, ...others } = after;
  const isSameBlock = one.from === other.from && one.lines.length === other.lines.length && one.lines[0] === other.lines[0];
  return isSameBlock && (Object.keys(rest) as (keyof typeof rest)[]).every((key) => rest[key] === others[key]);
}

const styles = StyleSheet.create({
  line: { flexDirection: "row", gap: space.s, paddingHorizontal: space.s },
  text: { fontSize: 13, fontFamily: MONO },
  wrapped: { flex: 1 },
  command: { fontWeight: "600" },
  note: { fontStyle: "italic" },
});
