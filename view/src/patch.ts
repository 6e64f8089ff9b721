import { words } from "./words.js";

export type FileKind = "add" | "delete" | "modify" | "rename" | "copy";

/** A line of a hunk, with its number before the change, after it, or both. */
export interface Change {
  type: "insert" | "delete" | "normal";
  content: string;
  before: number | null;
  after: number | null;
  /** The last line of its file, without a line end. */
  isUnended?: true;
}

export interface PatchHunk {
  header: string;
  changes: Change[];
}

export interface PatchFile {
  /** What it is called after the change, or was called before it was deleted. */
  path: string;
  /** What it was called, where that is something else. */
  oldPath: string | null;
  kind: FileKind;
  isBinary: boolean;
  /** What git calls modes, where the patch names them: `100755` is an executable. */
  oldMode: string | null;
  newMode: string | null;
  hunks: PatchHunk[];
  added: number;
  removed: number;
  /** Where the file stands in the patch: its first line, and the one behind its last. */
  lines: [from: number, to: number];
}

/** The files of a patch that `git diff` wrote. The parsers on npm take names apart at spaces and do not undo git's quoting. */
export function parsePatch(patch: string): PatchFile[] {
  const lines = patch.split("\n");
  const files: PatchFile[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = (lines[at] ?? "");
    if (!line.startsWith("diff --git ")) {
      at++;
      continue;
    }
    const file = newFile(line, at);
    files.push(file);
    at = readHeader(file, lines, at + 1);
    while (lines[at]?.startsWith("@@ ")) at = readHunk(file, lines, at);
    file.lines[1] = at;
  }
  return files;
}

/** What the patch says of one file, as a patch of its own. */
export function pieceOf(patch: string, { lines: [from, to] }: PatchFile): string {
  const lines = patch.split("\n");
  const piece = lines.slice(from, to).join("\n");
  return to < lines.length || !piece.endsWith("\n") ? `${piece}\n` : piece;
}

/** What kind of file it is or becomes, where that is worth a word; `null` for plain files that stay so. */
export function modeOf({ oldMode, newMode }: PatchFile): string | null {
  const name = (mode: string) => (words.diff.modes as Record<string, string>)[mode] ?? mode;
  if (oldMode && newMode) return oldMode === newMode ? null : words.diff.mode(name(oldMode), name(newMode));
  const only = newMode ?? oldMode;
  return only && only !== "100644" ? name(only) : null;
}

function newFile(line: string, at: number): PatchFile {
  const path = nameOfBoth(line.slice("diff --git ".length));
  return { path, oldPath: null, kind: "modify", isBinary: false, oldMode: null, newMode: null, hunks: [], added: 0, removed: 0, lines: [at, at + 1] };
}

/** Lines until the first hunk or the next file. */
function readHeader(file: PatchFile, lines: string[], at: number): number {
  for (; at < lines.length; at++) {
    const line = (lines[at] ?? "");
    if (line.startsWith("@@ ") || line.startsWith("diff --git ")) break;
    if (line.startsWith("new file mode ")) [file.kind, file.newMode] = ["add", line.slice(14)];
    else if (line.startsWith("deleted file mode ")) [file.kind, file.oldMode] = ["delete", line.slice(18)];
    else if (line.startsWith("old mode ")) file.oldMode = line.slice(9);
    else if (line.startsWith("new mode ")) file.newMode = line.slice(9);
    else if (line.startsWith("rename to ")) [file.kind, file.path] = ["rename", unquoted(line.slice(10))];
    else if (line.startsWith("copy to ")) [file.kind, file.path] = ["copy", unquoted(line.slice(8))];
    else if (line.startsWith("rename from ")) file.oldPath = unquoted(line.slice(12));
    else if (line.startsWith("copy from ")) file.oldPath = unquoted(line.slice(10));
    else if (line.startsWith("GIT binary patch") || line.startsWith("Binary files ")) file.isBinary = true;
    else if (line.startsWith("--- ") && file.kind === "delete") file.path = sideOf(line) ?? file.path;
    else if (line.startsWith("+++ ")) file.path = sideOf(line) ?? file.path;
  }
  return at;
}

const HUNK = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;

/** The header says how many lines there are, so what looks like a header inside of them is none. */
function readHunk(file: PatchFile, lines: string[], at: number): number {
  const header = (lines[at] ?? "");
  const match = HUNK.exec(header);
  if (!match) return at + 1;
  let [before, after] = [Number(match[1]), Number(match[3])];
  const [beforeEnd, afterEnd] = [before + Number(match[2] ?? 1), after + Number(match[4] ?? 1)];
  const changes: Change[] = [];
  for (at++; at < lines.length && (before < beforeEnd || after < afterEnd); at++) {
    const line = (lines[at] ?? "");
    if (line.startsWith("+")) changes.push({ type: "insert", content: changed(line), before: null, after: after++ });
    else if (line.startsWith("-")) changes.push({ type: "delete", content: changed(line), before: before++, after: null });
    else if (line.startsWith("\\")) endsThere(changes);
    else changes.push({ type: "normal", content: visible(line.slice(1).replace(/\r$/, "")), before: before++, after: after++ });
  }
  for (; lines[at]?.startsWith("\\"); at++) endsThere(changes);
  file.hunks.push({ header, changes });
  file.added += changes.filter((change) => change.type === "insert").length;
  file.removed += changes.filter((change) => change.type === "delete").length;
  return at;
}

/** `\ No newline at end of file` is about the line before it. */
function endsThere(changes: Change[]): void {
  const last = changes.at(-1);
  if (last) last.isUnended = true;
}

/** A line that was added or removed: the line end of Windows is shown, because it may be all that is different. */
const changed = (line: string): string => visible(line.slice(1).replace(/\r$/, "⟨CR⟩"));

/** Characters that are not to be seen, or that turn the order of others around, so that code looks like other code ("Trojan Source"). */
// eslint-disable-next-line no-control-regex -- That is what it is for; tabs are left as they are.
const HIDDEN = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** The line with such characters by their numbers. */
const visible = (line: string): string => line.replace(HIDDEN, (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** `a/NAME b/NAME`: both names are the same where nothing else says what they are. */
function nameOfBoth(both: string): string {
  if (both.startsWith('"')) return unquoted(both.slice(0, both.indexOf('" ') + 1)).slice(2);
  return both.slice((both.length + 1) / 2 + 2);
}

/** The name behind `--- ` and `+++ `; nothing for /dev/null. */
function sideOf(line: string): string | null {
  // git ends names with spaces with a tab, as other programs do before a date.
  const name = unquoted(line.slice(4).replace(/\t$/, ""));
  return name === "/dev/null" ? null : name.slice(2);
}

const ESCAPES: Record<string, number> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 };

/** git quotes names with unusual characters like strings in C, byte for byte. */
function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, escape] of name.slice(1, -1).matchAll(/\\([0-7]{3}|.)|[^\\]+/g)) {
    if (escape === undefined) bytes.push(...encoder.encode(part));
    else if (/^[0-7]{3}$/.test(escape)) bytes.push(parseInt(escape, 8));
    else bytes.push(ESCAPES[escape] ?? escape.charCodeAt(0));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** What to paste into a shell in the repository to get the changes. The end of the text is quoted, so nothing in the patch is expanded. */
export function applyCommand(patch: string): string {
  let end = "CODEX_PATCH";
  while (patch.includes(end)) end += "_";
  return `git apply <<'${end}'\n${patch.endsWith("\n") ? patch : `${patch}\n`}${end}\n`;
}
