import type { CodeSpan } from "@codex-remote/view/highlight";
import { memo } from "react";
import { Text } from "react-native";

import { type Palette, useColors } from "@/ui/theme";

/** The colours of the web client by what highlight.js calls a piece. All of them can be read on the ground of code and of changed lines. */
const families: [keyof Palette, string[]][] = [
  ["accent", ["keyword", "built_in", "tag", "selector-tag", "doctag"]],
  ["good", ["string", "regexp", "addition"]],
  ["warn", ["number", "literal", "symbol", "bullet"]],
  ["soft", ["comment", "quote", "meta"]],
  ["busy", ["title", "name", "attr", "attribute", "type", "section", "property"]],
  ["bad", ["deletion"]],
];
const tones = new Map(families.flatMap(([tone, kinds]) => kinds.map((kind): [string, keyof Palette] => [`hljs-${kind}`, tone])));

/** The colours that code has. */
export const CODE_TONES = [...new Set(tones.values())];

/** The colour of a piece: that of the innermost kind that has one. */
export function toneOf({ classes }: CodeSpan): keyof Palette | null {
  for (let at = classes.length - 1; at >= 0; at--) {
    const tone = tones.get(classes[at] ?? "");
    if (tone) return tone;
  }
  return null;
}

/** A line of code with its colours; to be put into a text. */
export const CodeLine = memo(function CodeLine({ spans }: { spans: readonly CodeSpan[] }) {
  const colors = useColors();
  return spans.map((span, index) => {
    const tone = toneOf(span);
    return tone ? (
      <Text key={index} style={{ color: colors[tone] }}>
        {widened(span.text)}
      </Text>
    ) : (
      widened(span.text)
    );
  });
});

/** Tabs are as wide as eight letters in some places and as one in others; on a small screen two are enough. */
export const widened = (text: string): string => text.replaceAll("\t", "  ");
