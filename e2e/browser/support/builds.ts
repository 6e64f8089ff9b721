/** Web clients of several builds, for tests of updates. */

import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const web = join(import.meta.dirname, "../../../web");

/** A folder that a gateway serves, and in which one build takes the place of another. */
export class WebFolder {
  readonly dir = join(mkdtempSync(join(tmpdir(), "codex-web-")), "web");
  #generation = 0;

  constructor() {
    // The gateway may run as another user.
    chmodSync(join(this.dir, ".."), 0o755);
    cpSync(join(web, "out"), this.dir, { recursive: true });
  }

  /**
   * Exchanges the build for another one: other names for all chunks, and pages that say `title`. Really building another one would take half
   * a minute.
   */
  exchange(title: string): void {
    const next = `${this.dir}.next`;
    const turn = ++this.#generation;
    cpSync(join(web, "out"), next, { recursive: true });
    const { build } = JSON.parse(readFileSync(join(next, "build.json"), "utf8")) as { build: string };
    const chunks = readdirSync(join(next, "_next/static/chunks"))
      .filter((name) => /\.(?:js|css)$/.test(name))
      .map((name) => name.replace(/\.\w+$/, ""));
    const names = new Map([[build, renamed(build, turn)], ...chunks.map((name): [string, string] => [name, renamed(name, turn)]), ["Codex Remote", title]]);
    const pattern = new RegExp([...names.keys()].sort((a, b) => b.length - a.length).join("|"), "g");
    for (const name of readdirSync(next, { recursive: true }).map(String).sort((a, b) => b.length - a.length)) {
      const file = join(next, name);
      if (/\.(?:gz|br)$/.test(name)) rmSync(file);
      else if (statSync(file).isFile() && /\.(?:js|css|html|txt|json)$/.test(name)) {
        writeFileSync(file, readFileSync(file, "utf8").replace(pattern, (found) => names.get(found) ?? found));
      }
    }
    for (const [before, after] of names) rename(join(next, "_next/static"), before, after);
    execFileSync(process.execPath, [join(web, "scripts/finish.mjs"), next]);
    renameSync(this.dir, `${this.dir}.last`);
    renameSync(next, this.dir);
    rmSync(`${this.dir}.last`, { recursive: true });
  }

  /** Changes a file behind the back of the build. */
  spoil(name: string): void {
    appendFileSync(join(this.dir, name), "<!-- of another build -->");
  }

  /** Back to the build of this checkout. */
  reset(): void {
    if (this.#generation === 0) return;
    this.#generation = 0;
    rmSync(this.dir, { recursive: true });
    cpSync(join(web, "out"), this.dir, { recursive: true });
  }

  remove(): void {
    rmSync(join(this.dir, ".."), { recursive: true, force: true });
  }
}

/** Another name of the same form: the letters and digits of its last twelve places are turned by some. */
function renamed(name: string, by: number): string {
  const [front, end] = [name.slice(0, -12), name.slice(-12)];
  const letters = end.replace(/[^0-9a-zA-Z]/g, "");
  let at = by;
  return front + end.replace(/[0-9a-zA-Z]/g, () => letters[at++ % letters.length]!);
}

function rename(folder: string, before: string, after: string): void {
  for (const name of readdirSync(folder)) {
    if (name === before) renameSync(join(folder, name), join(folder, after));
  }
  const chunks = join(folder, "chunks");
  for (const ending of [".js", ".css"]) {
    if (readdirSync(chunks).includes(before + ending)) renameSync(join(chunks, before + ending), join(chunks, after + ending));
  }
}
