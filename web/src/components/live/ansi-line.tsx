import { marked, spans } from "@codex-remote/view";
import clsx from "clsx";
import { memo } from "react";

/** A line with the colours that a program chose, as classes: the page's policy allows no styles in the text. */
export const AnsiLine = memo(function AnsiLine({ text, mark = "" }: { text: string; mark?: string }) {
  const parts = spans(text);
  const [first] = parts;
  if (first && parts.length === 1 && !first.foreground && !first.background && first.decorations.length === 0) return <Marked text={first.text} mark={mark} />;
  return parts.map(({ text, foreground, background, decorations }, index) => (
    <span key={index} className={clsx(foreground && `${foreground}-fg`, background && `${background}-bg`, decorations.map((name) => `ansi-${name}`))}>
      <Marked text={text} mark={mark} />
    </span>
  ));
});

/** The text with what is searched for marked. */
function Marked({ text, mark }: { text: string; mark: string }) {
  if (!mark) return text;
  return marked(text, mark).map((part, index) =>
    part.isHit ? (
      <mark key={index} className="bg-mark text-text">
        {part.text}
      </mark>
    ) : (
      part.text
    ),
  );
}
