import { Lexer, type Token, type Tokens } from "marked";

/** A piece of a paragraph. */
export type Inline =
  | { kind: "text" | "code"; text: string }
  | { kind: "break" }
  | { kind: "strong" | "emphasis" | "strike"; parts: Inline[] }
  /** `https` and `http` only. */
  | { kind: "link"; url: string; parts: Inline[] };

export interface ListItem {
  /** Of a list of tasks: whether it is done. */
  isDone: boolean | null;
  blocks: Block[];
}

export type Align = "left" | "center" | "right";

export type Block =
  | { kind: "paragraph"; parts: Inline[] }
  | { kind: "heading"; level: number; parts: Inline[] }
  | { kind: "code"; text: string; language: string }
  | { kind: "quote"; blocks: Block[] }
  /** `start` is the first number of a list with numbers. */
  | { kind: "list"; start: number | null; items: ListItem[] }
  | { kind: "table"; aligns: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

/** What stands in more quotes and lists than this is shown as it was written: each takes a part of a small screen away. */
const DEEPEST = 6;

/**
 * Markdown as GitHub has it (tables, tasks, strikethrough, addresses that are links), without anything that is loaded or run: HTML is text, pictures
 * are links, and links that lead nowhere from here (files of the workspace) are their names. Never throws.
 */
export function blocksOf(markdown: string): Block[] {
  try {
    return blocks(new Lexer({ gfm: true }).lex(markdown), DEEPEST);
  } catch {
    // Thousands of quotes in quotes are more than the stack holds; nobody writes that to be read.
    return [{ kind: "paragraph", parts: [{ kind: "text", text: markdown }] }];
  }
}

function blocks(tokens: Token[], depth: number): Block[] {
  return tokens.flatMap((token): Block[] => {
    const block = blockOf(token, depth);
    return block ? [block] : [];
  });
}

function blockOf(token: Tokens.Generic, depth: number): Block | null {
  switch (token.type) {
    case "space":
    case "def":
    case "checkbox":
      return null;
    case "heading":
      return { kind: "heading", level: (token as Tokens.Heading).depth, parts: inlines(token.tokens ?? [], DEEPEST) };
    case "code":
      return { kind: "code", text: (token as Tokens.Code).text.replace(/\n$/, ""), language: /^\S*/.exec((token as Tokens.Code).lang ?? "")?.[0] ?? "" };
    case "hr":
      return { kind: "rule" };
    case "table":
      return tableOf(token as Tokens.Table);
    case "blockquote":
    case "list":
      if (depth === 0) return { kind: "paragraph", parts: [{ kind: "text", text: token.raw.trimEnd() }] };
      if (token.type === "blockquote") return { kind: "quote", blocks: blocks(token.tokens ?? [], depth - 1) };
      return listOf(token as Tokens.List, depth - 1);
    default:
      // Paragraphs, the text of items, and HTML.
      return { kind: "paragraph", parts: token.tokens ? inlines(token.tokens, DEEPEST) : [{ kind: "text", text: token.raw.trimEnd() }] };
  }
}

const listOf = ({ ordered, start, items }: Tokens.List, depth: number): Block => ({
  kind: "list",
  start: ordered ? Number(start) : null,
  items: items.map((item) => ({ isDone: item.task ? item.checked === true : null, blocks: blocks(item.tokens, depth) })),
});

const tableOf = ({ align, header, rows }: Tokens.Table): Block => ({
  kind: "table",
  aligns: align.map((side) => side ?? "left"),
  head: header.map((cell) => inlines(cell.tokens, DEEPEST)),
  rows: rows.map((row) => row.map((cell) => inlines(cell.tokens, DEEPEST))),
});

function inlines(tokens: Token[], depth: number): Inline[] {
  return tokens.flatMap((token): Inline[] => {
    const part = inlineOf(token, depth);
    return part ? [part] : [];
  });
}

const styled = { strong: "strong", em: "emphasis", del: "strike" } as const;

function inlineOf(token: Tokens.Generic, depth: number): Inline | null {
  switch (token.type) {
    case "checkbox":
      return null;
    case "br":
      return { kind: "break" };
    case "codespan":
      return { kind: "code", text: (token as Tokens.Codespan).text };
    case "strong":
    case "em":
    case "del":
      if (depth === 0) return { kind: "text", text: token.raw };
      return { kind: styled[token.type], parts: inlines(token.tokens ?? [], depth - 1) };
    case "link":
    case "image":
      return linkOf(token as Tokens.Link | Tokens.Image);
    case "html":
    case "escape":
      return { kind: "text", text: token.type === "html" ? token.raw : (token as Tokens.Escape).text };
    default:
      // The ends of lines are where the writer's screen ended; this one is narrower.
      return { kind: "text", text: characters((token as Tokens.Text).text.replace(/ *\n/g, " ")) };
  }
}

function linkOf(token: Tokens.Link | Tokens.Image): Inline {
  const parts = inlines(token.tokens, 1);
  const url = token.type === "link" && token.autolink ? token.href : characters(token.href);
  const name = parts.length > 0 ? parts : [{ kind: "text", text: url } as const];
  if (/^https?:\/\//i.test(url)) return { kind: "link", url, parts: name };
  // An address of mail is text; a file is written as code is.
  if (/^mailto:/i.test(url)) return { kind: "text", text: token.text };
  return { kind: "code", text: plain(name) };
}

/** What the parts say, without how. */
export function plain(parts: Inline[]): string {
  return parts.map((part) => (part.kind === "break" ? " " : "text" in part ? part.text : plain(part.parts))).join("");
}

/** Names of characters that people write; there are two thousand more, which stay as they are. */
const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", hellip: "…", mdash: "—", ndash: "–", rarr: "→", larr: "←", times: "×", copy: "©", check: "✓", bull: "•", middot: "·" };

function characters(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));/g, (whole: string, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return Object.hasOwn(names, name) ? (names[name] ?? whole) : whole;
    const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000) ? String.fromCodePoint(code) : "\ufffd";
  });
}
