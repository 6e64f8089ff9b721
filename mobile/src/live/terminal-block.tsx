import type { Line, LineKind } from "@codex-remote/view";
import { memo } from "react";

import type { Palette } from "@/ui/theme";
import { TerminalLine } from "./terminal-line";

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
  return block.lines.map(({ text, kind }, index) => {
    const number = block.from + index;
    const ground = number === hit || number === problem ? colors.busyGround : undefined;
    return <TerminalLine key={number} number={String(number + 1).padStart(digits)} text={text} kind={kind} color={colors[tones[kind]]} numberColor={colors.soft} ground={ground} mark={mark} isWrapped={isWrapped} />;
  });
}, isSame);

function isSame(before: TerminalBlockProps, after: TerminalBlockProps): boolean {
  const { block: one, ...rest } = before;
  const { block: other, ...others } = after;
  const isSameBlock = one.from === other.from && one.lines.length === other.lines.length && one.lines[0] === other.lines[0];
  return isSameBlock && (Object.keys(rest) as (keyof typeof rest)[]).every((key) => rest[key] === others[key]);
}
