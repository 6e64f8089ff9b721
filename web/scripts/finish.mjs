// After `next build`: packs what the gateway may send packed, and prints what a browser has to load before it can start.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const out = new URL("../out", import.meta.url).pathname;
// Pages go out as they are: the gateway reads them to allow their scripts.
const PACKED = /\.(?:js|css|svg|json|txt|webmanifest)$/;
/** Smaller files do not become smaller. */
const LEAST = 512;
/** What the first page may weigh, in bytes of gzip. */
const BUDGET = 260_000;

for (const name of readdirSync(out, { recursive: true })) {
  if (!PACKED.test(name)) continue;
  const file = join(out, name);
  const bytes = readFileSync(file);
  if (bytes.length < LEAST) continue;
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
  const parameters = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: parameters }));
}

for (const page of ["index.html", "task/index.html"]) {
  const html = readFileSync(join(out, page), "utf8");
  const scripts = new Set([...html.matchAll(/<script[^>]* src="([^"]+)"[^>]*>/g)].filter(([tag]) => !/nomodule/i.test(tag)).map(([, source]) => source));
  const sizes = [...scripts].map((source) => gzipSync(readFileSync(join(out, source)), { level: 9 }).length);
  const sum = sizes.reduce((total, size) => total + size, 0);
  console.log(`${page}: ${scripts.size} scripts, ${sum} bytes with gzip (budget ${BUDGET})`);
  if (sum > BUDGET) process.exitCode = 1;
}
