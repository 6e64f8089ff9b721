// What an app pays for this package: everything it exports, minified, packed with gzip. Fails above the budget.

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const BUDGET = 10_000;
const { outputFiles } = await build({
  entryPoints: [new URL("../dist/index.js", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  write: false,
});
const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
console.log(`@codex-remote/sdk: ${outputFiles[0].contents.length} bytes minified, ${size} bytes with gzip (budget ${BUDGET})`);
if (size > BUDGET) process.exitCode = 1;
