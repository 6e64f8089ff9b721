import type { ReactNode } from "react";
import type { TextStyle } from "react-native";

/** A piece of a text that looks different from the rest; an element of the page, as the lines of the terminal are. */
export function Inline({ style, children }: { style: TextStyle; children: ReactNode }) {
  // Colours, weight, slant and decoration are called the same in both.
  return <span style={style as React.CSSProperties}>{children}</span>;
}
