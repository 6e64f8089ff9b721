import Anser from "anser";
import clsx from "clsx";
import { memo } from "react";

/** Everything that steers a terminal and is no colour: cursor movements, titles, the rest. */
// eslint-disable-next-line no-control-regex -- control characters are what this is about
const OTHER = /\u001b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])|[\u0000-\u0008\u000b-\u001a\u001c-\u001f]/g;

/** A line with the colours that a program chose, as classes: the page's policy allows no styles in the text. */
export const AnsiLine = memo(function AnsiLine({ text, mark }: { text: string; mark?: string }) {
  const shown = clean(text);
  // Most lines have no colours, and there are many lines.
  if (!shown.includes("\u001b")) return <Marked text={shown} mark={mark} />;
  const parts = Anser.ansiToJson(shown, { use_classes: true, remove_empty: true });
  return parts.map((part, index) => (
    <span key={index} className={clsx(part.fg && `${part.fg}-fg`, part.bg && `${part.bg}-bg`, part.decorations.map((name) => `ansi-${name}`))}>
      <Marked text={part.content} mark={mark} />
    </span>
  ));
});

const clean = (text: string): string => text.replace(OTHER, "") || "\u200b";

/** The text with what is searched for marked. */
function Marked({ text, mark }: { text: string; mark: string | undefined }) {
  if (!mark) return text;
  const parts: { text: string; isHit: boolean }[] = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(mark); at >= 0; at = lower.indexOf(mark, from)) {
    parts.push({ text: text.slice(from, at), isHit: false }, { text: text.slice(at, at + mark.length), isHit: true });
    from = at + mark.length;
  }
  parts.push({ text: text.slice(from), isHit: false });
  return parts.map((part, index) =>
    part.isHit ? (
      <mark key={index} className="bg-mark text-text">
        {part.text}
      </mark>
    ) : (
      part.text
    ),
  );
}
