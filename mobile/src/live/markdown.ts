/** A piece of a paragraph. */
export interface Inline {
  kind: "text" | "strong" | "emphasis" | "code" | "link";
  text: string;
  /** Where a link leads; `https` and `http` only. */
  url?: string;
}

export type Block =
  | { kind: "heading"; level: number; text: Inline[] }
  | { kind: "item"; depth: number; marker: string; text: Inline[] }
  | { kind: "quote"; text: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "paragraph"; text: Inline[] };

const FENCE = /^ {0,3}(```+|~~~+)/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;

/**
 * What agents write of Markdown: headings, lists, quotes, code, emphasis and links. The rest stays as it was written, which can be read as well.
 * Nothing is ever loaded or run.
 */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.replace(/\r\n?/g, "\n").split("\n");
  let paragraph: string[] = [];
  const end = () => {
    if (paragraph.length > 0) blocks.push({ kind: "paragraph", text: inlinesOf(paragraph.join("\n")) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    if (fence) {
      end();
      const code: string[] = [];
      // An agent that is still writing has not closed it yet.
      for (at++; at < lines.length && !(lines[at] ?? "").trimStart().startsWith(fence); at++) code.push(lines[at] ?? "");
      blocks.push({ kind: "code", text: code.join("\n") });
    } else if (heading) {
      end();
      blocks.push({ kind: "heading", level: heading[1]?.length ?? 1, text: inlinesOf(heading[2] ?? "") });
    } else if (item) {
      end();
      const marker = item[2] ?? "-";
      blocks.push({ kind: "item", depth: Math.floor((item[1] ?? "").replace(/\t/g, "  ").length / 2), marker: /\d/.test(marker) ? marker : "•", text: inlinesOf(item[3] ?? "") });
    } else if (line.startsWith("> ")) {
      end();
      blocks.push({ kind: "quote", text: inlinesOf(line.slice(2)) });
    } else if (line.trim() === "") end();
    else paragraph.push(line);
  }
  end();
  return blocks;
}

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\s][^*\n]*)\*(?![\w*])|\[([^\]\n]+)\]\(([^()\s]+)\)/g;

function inlinesOf(text: string): Inline[] {
  const parts: Inline[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis, name, url] = match;
    if (match.index > from) parts.push({ kind: "text", text: text.slice(from, match.index) });
    from = match.index + whole.length;
    if (code !== undefined) parts.push({ kind: "code", text: code });
    else if (strong !== undefined) parts.push({ kind: "strong", text: strong });
    else if (emphasis !== undefined) parts.push({ kind: "emphasis", text: emphasis });
    else if (url && /^https?:\/\//i.test(url)) parts.push({ kind: "link", text: name ?? url, url });
    // Files of the workspace, and whatever else leads nowhere from here.
    else parts.push({ kind: "code", text: name ?? whole });
  }
  if (from < text.length) parts.push({ kind: "text", text: text.slice(from) });
  return parts;
}
