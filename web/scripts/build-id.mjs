// The name of a build: the same for the same sources, another one for others. So gateways that were built from the same sources serve
// the same files, and a page can tell whether the gateway has a newer one than itself.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const web = new URL("..", import.meta.url).pathname;
const SOURCES = ["app", "src", "public", "scripts", "next.config.ts", "package.json", "../sdk/dist", "../view/dist", "../package-lock.json"];

export function buildId() {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    for (const file of filesOf(join(web, source))) hash.update(file.slice(web.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

/** A file itself, or all in a folder, in an order that does not depend on the file system. */
function filesOf(path) {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true }).map((name) => join(path, name));
  return names.filter((name) => statSync(name).isFile()).sort();
}
