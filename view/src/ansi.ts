import Anser from "anser";

/** Everything that steers a terminal and is no colour: cursor movements, titles, the rest. */
// eslint-disable-next-line no-control-regex -- control characters are what this is about
const OTHER = /\u001b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])|[\u0000-\u0008\u000b-\u001a\u001c-\u001f]/g;

/** A part of a line that looks the same all over. */
export interface Span {
  text: string;
  /** Names such as `ansi-red` and `ansi-bright-red`: what they look like is up to the theme. `null` where the program chose none. */
  foreground: string | null;
  background: string | null;
  /** `bold`, `dim`, `italic`, `underline`, `strikethrough` and what else there is. */
  decorations: string[];
}

/** A line in the colours that a program chose. A line without text is a space that has no width, so that it is as high as the others. */
export function spans(text: string): Span[] {
  const shown = text.replace(OTHER, "") || "\u200b";
  // Most lines have no colours, and there are many lines.
  if (!shown.includes("\u001b")) return [{ text: shown, foreground: null, background: null, decorations: [] }];
  return Anser.ansiToJson(shown, { use_classes: true, remove_empty: true }).map(({ content, fg, bg, decorations }) => ({
    text: content,
    foreground: fg || null,
    background: bg || null,
    decorations,
  }));
}

/** Cuts a text at what is searched for. `mark` is in lower case; the text is found in any. */
export function marked(text: string, mark: string): { text: string; isHit: boolean }[] {
  if (!mark) return [{ text, isHit: false }];
  const parts: { text: string; isHit: boolean }[] = [];
  const add = (part: string, isHit: boolean) => part && parts.push({ text: part, isHit });
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(mark); at >= 0; at = lower.indexOf(mark, from)) {
    add(text.slice(from, at), false);
    add(text.slice(at, at + mark.length), true);
    from = at + mark.length;
  }
  add(text.slice(from), false);
  return parts;
}
