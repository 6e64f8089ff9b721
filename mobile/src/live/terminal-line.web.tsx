import type { CSSProperties } from "react";

import { MONO } from "@/ui/text";
import { space } from "@/ui/theme";
import { AnsiText } from "./ansi-text";
import type { TerminalLineProps } from "./terminal-line";

/**
 * One line of the terminal, as a page draws it: elements of the page itself, because the stand-ins for those of a phone take several times as long,
 * and while somebody scrolls there are hundreds of lines a second.
 */
export function TerminalLine({ number, text, kind, color, numberColor, ground, mark, isWrapped }: TerminalLineProps) {
  const style: CSSProperties = { color, flex: isWrapped ? 1 : undefined, minWidth: 0, fontWeight: kind === "command" ? 600 : undefined, fontStyle: kind === "note" ? "italic" : undefined };
  return (
    <div data-testid="line" style={{ ...(isWrapped ? wrapped : line), backgroundColor: ground }}>
      <span aria-hidden style={{ color: numberColor, whiteSpace: "pre" }}>
        {number}
      </span>
      <span style={style}>
        <AnsiText text={text} mark={mark} />
      </span>
    </div>
  );
}

const line: CSSProperties = { display: "flex", gap: space.s, paddingInline: space.s, fontSize: 13, lineHeight: "normal", fontFamily: MONO, whiteSpace: "pre" };
const wrapped: CSSProperties = { ...line, whiteSpace: "pre-wrap", overflowWrap: "anywhere" };
