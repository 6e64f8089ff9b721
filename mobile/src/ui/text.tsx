import { Platform, Text as NativeText, type TextProps as NativeProps, type TextStyle } from "react-native";

import { type Palette, useColors } from "./theme";

export type TextKind = "title" | "heading" | "body" | "strong" | "small" | "mono";

/** Letters of one width. */
export const MONO = Platform.select({ ios: "Menlo", android: "monospace", default: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" });

/** No heights: people choose how large text is. */
const kinds: Record<TextKind, TextStyle> = {
  title: { fontSize: 24, fontWeight: "700" },
  heading: { fontSize: 18, fontWeight: "600" },
  body: { fontSize: 16 },
  strong: { fontSize: 16, fontWeight: "600" },
  small: { fontSize: 14 },
  mono: { fontSize: 14, fontFamily: MONO },
};

const levels: Partial<Record<TextKind, number>> = { title: 1, heading: 2 };

export interface TextProps extends NativeProps {
  kind?: TextKind;
  tone?: keyof Palette;
}

export function Text({ kind = "body", tone = "text", style, ...rest }: TextProps) {
  const colors = useColors();
  const level = levels[kind];
  return <NativeText {...(level && { role: "heading", "aria-level": level })} style={[kinds[kind], { color: colors[tone] }, style]} {...rest} />;
}
