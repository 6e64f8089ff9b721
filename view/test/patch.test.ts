import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import { applyCommand, modeOf, parsePatch, pieceOf } from "../src/patch.js";

const dir = mkdtempSync(join(tmpdir(), "codex-web-"));
afterAll(() => rmSync(dir, { recursive: true }));
const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], { cwd: dir, env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } }).toString();
const put = (name: string, content: string | Uint8Array) => writeFileSync(join(dir, name), content);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join("");

/** What git itself writes about everything that can happen to a file. */
function realPatch(): string {
  git("init", "-q");
  put("two hunks.txt", numbers(1, 40));
  put("gone.txt", "-- not a header\n++ neither\n");
  put("old name.txt", numbers(1, 20));
  put("mode.sh", "x\n");
  put("bare", "no line end");
  git("add", "-A");
  git("commit", "-qm", "before");
  put("two hunks.txt", numbers(1, 40).replace("line 2\n", "line two\n").replace("line 39\n", ""));
  put("größe\t\"q\".txt", "+++ b/looks like a header\n--- a/too\n");
  put("picture.bin", new Uint8Array([0, 1, 2, 255]));
  put("bare", "no line end either");
  put("empty", "");
  execFileSync("chmod", ["+x", "mode.sh"], { cwd: dir });
  git("rm", "-q", "gone.txt");
  git("mv", "old name.txt", "new name.txt");
  git("add", "-A");
  return git("diff", "--cached", "--binary", "--no-color");
}

test("what git writes is understood", () => {
  const patch = realPatch();
  const files = Object.fromEntries(parsePatch(patch).map((file) => [file.path, file]));
  expect(Object.keys(files).sort()).toEqual(["bare", "empty", "gone.txt", 'größe\t"q".txt', "mode.sh", "new name.txt", "picture.bin", "two hunks.txt"].sort());
  expect(files["two hunks.txt"]).toMatchObject({ kind: "modify", added: 1, removed: 2, oldPath: null });
  const [first, second] = files["two hunks.txt"]!.hunks;
  expect(first!.changes.filter((change) => change.type !== "normal")).toEqual([
    { type: "delete", content: "line 2", before: 2, after: null },
    { type: "insert", content: "line two", before: null, after: 2 },
  ]);
  expect(second!.changes.find((change) => change.type === "delete")).toEqual({ type: "delete", content: "line 39", before: 39, after: null });
  expect(files["gone.txt"]).toMatchObject({ kind: "delete", added: 0, removed: 2 });
  expect(files['größe\t"q".txt']).toMatchObject({ kind: "add", added: 2, removed: 0 });
  expect(files["picture.bin"]).toMatchObject({ kind: "add", isBinary: true, hunks: [] });
  expect(files["new name.txt"]).toMatchObject({ kind: "rename", oldPath: "old name.txt" });
  expect(files["bare"]).toMatchObject({ added: 1, removed: 1 });
  expect(files["bare"]!.hunks[0]!.changes).toMatchObject([{ type: "delete", isUnended: true }, { type: "insert", isUnended: true }]);
  expect(files["empty"]).toMatchObject({ kind: "add", added: 0 });
  expect(modeOf(files["mode.sh"]!)).toBe("plain file → executable");
  expect(modeOf(files["bare"]!)).toBeNull();
  expect(modeOf(files["empty"]!)).toBeNull();
});

test("each file is a patch of its own, and all of them together are the patch", () => {
  // The index still has what the test above has put there.
  const patch = git("diff", "--cached", "--binary", "--no-color");
  const files = parsePatch(patch);
  expect(files).toHaveLength(8);
  expect(files.map((file) => pieceOf(patch, file)).join("")).toBe(patch);
  git("reset", "-q", "--hard");
  const one = files.find((file) => file.path === "two hunks.txt")!;
  execFileSync("sh", ["-c", applyCommand(pieceOf(patch, one))], { cwd: dir });
  expect(git("diff", "--name-only")).toBe("two hunks.txt\n");
});

test("what cannot be seen in a line is shown", () => {
  const hunk = (...lines: string[]) => parsePatch(["diff --git a/x b/x", "--- a/x", "+++ b/x", "@@ -1,2 +1,2 @@", ...lines, ""].join("\n"))[0]!.hunks[0]!.changes.map((change) => change.content);
  expect(hunk(" a\r", "-end\r", "+end")).toEqual(["a", "end⟨CR⟩", "end"]);
  expect(hunk(" \ta", "-if (admin)", "+if (admin\u202e\u2066)\u0000")).toEqual(["\ta", "if (admin)", "if (admin⟨U+202E⟩⟨U+2066⟩)⟨U+0000⟩"]);
  expect(hunk(" é 👩‍💻 ‌", "-a", "+b")[0]).toBe("é 👩‍💻 ‌");
});

test("the command applies the patch in a shell", () => {
  git("reset", "-q", "--hard");
  const patch = git("diff", "HEAD", "--no-color") || "";
  expect(patch).toBe("");
  put("two hunks.txt", `${numbers(1, 40)}$HOME \`id\` 'q' CODEX_PATCH\n`);
  const change = git("diff", "--no-color");
  git("reset", "-q", "--hard");
  execFileSync("sh", ["-c", applyCommand(change)], { cwd: dir });
  expect(readFileSync(join(dir, "two hunks.txt"), "utf8")).toContain("$HOME `id` 'q' CODEX_PATCH\n");
});

test("what is no patch has no files", () => {
  expect(parsePatch("")).toEqual([]);
  expect(parsePatch("hello\n@@ nothing @@\n")).toEqual([]);
  expect(parsePatch("diff --git a/x b/x\n@@ broken\n+a\n")).toMatchObject([{ path: "x", hunks: [] }]);
});
