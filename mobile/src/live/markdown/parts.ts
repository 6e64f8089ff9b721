/** The most that is read and drawn at once, in characters. The worst text that could be thought of takes the parser a sixth of a second for that. */
export const PART = 8_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;

/**
 * A long message in parts that can be read alone: they end at empty lines, and where code goes on beyond an end, the next part begins with its fence.
 * What is added at the end of a message changes no part but the last.
 */
export function partsOf(markdown: string): string[] {
  const text = markdown.replace(/\r\n?/g, "\n");
  if (text.length <= PART) return [text];
  const parts: string[] = [];
  let [from, prefix] = [0, ""];
  while (from < text.length) {
    const { end, fence } = endOf(text, from, prefix);
    parts.push(prefix + text.slice(from, end));
    [from, prefix] = [end, fence && `${fence}\n`];
  }
  return parts;
}

/** Where the part that begins at `from` ends, and the line that opened the code which goes on there. */
function endOf(text: string, from: number, prefix: string): { end: number; fence: string } {
  const last = from + PART;
  if (last >= text.length) return { end: text.length, fence: "" };
  let fence = prefix.trimEnd();
  let [empty, line] = [-1, from];
  while (line < last) {
    const next = text.indexOf("\n", line) + 1;
    // A line that does not end here is cut: nobody reads lines like that.
    if (next === 0 || next > last) break;
    const content = text.slice(line, next - 1);
    const [, marks, info] = FENCE.exec(content) ?? [];
    if (fence && closes(marks, info, fence)) fence = "";
    else if (!fence && marks) fence = content;
    if (!fence && content.trim() === "") empty = next;
    line = next;
  }
  if (fence) return { end: line > from ? line : last, fence };
  if (empty > from) return { end: empty, fence: "" };
  return { end: line > from ? line : last, fence: "" };
}

/** Whether a line of these marks ends code that `opening` has begun. */
function closes(marks: string | undefined, info: string | undefined, opening: string): boolean {
  const opened = FENCE.exec(opening)?.[1] ?? "";
  return marks !== undefined && info?.trim() === "" && marks[0] === opened[0] && marks.length >= opened.length;
}
