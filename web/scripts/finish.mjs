// After `next build`: writes the service worker for what was exported, packs what the gateway may send packed, and prints what a
// browser has to load before it can start. `node scripts/finish.mjs [FOLDER]`

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import ts from "typescript";

const web = new URL("..", import.meta.url).pathname;
const out = process.argv[2] ? resolve(process.argv[2]) : join(web, "out");
// Pages go out as they are: the gateway reads them to allow their scripts.
const PACKED = /\.(?:js|css|svg|json|txt|webmanifest)$/;
/** Smaller files do not become smaller. */
const LEAST = 512;
/** What the first page may weigh, in bytes of gzip. */
const BUDGET = 260_000;
/** What the shell may weigh: every browser fetches all of it once for each build. In bytes of gzip. */
const SHELL_BUDGET = 700_000;

const files = () =>
  readdirSync(out, { recursive: true })
    .filter((name) => statSync(join(out, name)).isFile() && !/\.(?:gz|br)$/.test(name))
    .sort();
const read = (name) => readFileSync(join(out, name));

writeWorker();
pack();
weigh();

/** The worker carries the list of the files of its build, each with its hash. */
function writeWorker() {
  rmSync(join(out, "sw.js"), { force: true });
  const scripts = readFileSync(join(out, "index.html"), "utf8");
  // Only browsers without modules load it, and those have no service workers either.
  const legacy = new Set([...scripts.matchAll(/<script[^>]* src="\/([^"]+)"[^>]* noModule/g)].map(([, source]) => source));
  // Next exports the page for what is not there twice, and what it does not find it asks for by `/404/`.
  const shell = files().filter((name) => !legacy.has(name) && name !== "404.html" && name !== "build.json");
  const entries = shell.map((name) => [`/${name.replace(/(^|\/)index\.html$/, "$1")}`, `sha256-${createHash("sha256").update(read(name)).digest("base64")}`]);
  const build = nameOfBuild();
  writeFileSync(join(out, "build.json"), JSON.stringify({ build }));
  const source = readFileSync(join(web, "src/worker/sw.ts"), "utf8");
  const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022, removeComments: true };
  const { outputText } = ts.transpileModule(source, { compilerOptions: options });
  const code = outputText.replace(/^export \{\};$/m, "");
  writeFileSync(join(out, "sw.js"), `const BUILD = ${JSON.stringify(build)};\nconst SHELL = ${JSON.stringify(Object.fromEntries(entries))};\n${code}`);
  const size = shell.reduce((sum, name) => sum + gzipSync(read(name)).length, 0);
  console.log(`offline shell: ${shell.length} files, ${size} bytes with gzip (budget ${SHELL_BUDGET})`);
  if (size > SHELL_BUDGET) process.exitCode = 1;
}

/** Next names a folder after the build. */
function nameOfBuild() {
  const name = readdirSync(join(out, "_next/static")).find((name) => /^[0-9a-f]{16}$/.test(name));
  if (!name) throw new Error("the export has no folder with the name of its build");
  return name;
}

function pack() {
  for (const name of files()) {
    if (!PACKED.test(name)) continue;
    const bytes = read(name);
    const file = join(out, name);
    if (bytes.length < LEAST) continue;
    writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
    const parameters = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: parameters }));
  }
}

function weigh() {
  for (const page of files().filter((name) => /(?:^|\/)index\.html$/.test(name) && !name.startsWith("404") && !name.startsWith("_"))) {
    const html = readFileSync(join(out, page), "utf8");
    const scripts = new Set([...html.matchAll(/<script[^>]* src="([^"]+)"[^>]*>/g)].filter(([tag]) => !/nomodule/i.test(tag)).map(([, source]) => source));
    const sizes = [...scripts].map((source) => gzipSync(read(source), { level: 9 }).length);
    const sum = sizes.reduce((total, size) => total + size, 0);
    console.log(`${page}: ${scripts.size} scripts, ${sum} bytes with gzip (budget ${BUDGET})`);
    if (sum > BUDGET) process.exitCode = 1;
  }
}
