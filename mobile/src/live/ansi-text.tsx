import { type Span, marked, spans } from "@codex-remote/view";
import { memo } from "react";
import type { TextStyle } from "react-native";

import { type Palette, useColors } from "@/ui/theme";
import { Inline } from "./inline";

/** What the names of colours look like here: such that they can be read on the ground of the app, whatever a terminal would show. */
const foregrounds: Record<string, keyof Palette> = {
  black: "soft",
  red: "bad",
  green: "good",
  yellow: "warn",
  blue: "busy",
  magenta: "accent",
  cyan: "busy",
  white: "text",
};
const backgrounds: Record<string, keyof Palette> = { red: "badGround", green: "goodGround", yellow: "warnGround", blue: "busyGround", cyan: "busyGround" };

function styleOf({ foreground, background, decorations }: Span, colors: Palette): TextStyle {
  const style: TextStyle = {};
  const name = (of: string | null) => of?.replace(/^ansi-(?:bright-)?/, "") ?? "";
  if (foreground) style.color = colors[foregrounds[name(foreground)] ?? "text"];
  if (background) style.backgroundColor = colors[backgrounds[name(background)] ?? "sunken"];
  if (decorations.includes("bold")) style.fontWeight = "700";
  if (decorations.includes("italic")) style.fontStyle = "italic";
  const lines = [decorations.includes("underline") && "underline", decorations.includes("strikethrough") && "line-through"].filter(Boolean).join(" ");
  if (lines) style.textDecorationLine = lines as NonNullable<TextStyle["textDecorationLine"]>;
  return style;
}

/** A line with the colours that a program chose and with what is searched for marked; to be put into a text. `mark` is in lower case. */
export const AnsiText = memo(function AnsiText({ text, mark = "" }: { text: string; mark?: string }) {
  const colors = useColors();
  const parts = spans(text);
  const [first] = parts;
  // Most lines are plain, and there are many lines: no elements for these.
  if (first && parts.length === 1 && !mark && !first.foreground && !first.background && first.decorations.length === 0) return first.text;
  return parts.map((span, index) => (
    <Inline key={index} style={styleOf(span, colors)}>
      {marked(span.text, mark).map((part, at) => (part.isHit ? <Hit key={at} text={part.text} /> : part.text))}
    </Inline>
  ));
});

function Hit({ text }: { text: string }) {
  const colors = useColors();
  return <Inline style={{ backgroundColor: colors.mark, color: colors.text }}>{text}</Inline>;
}
