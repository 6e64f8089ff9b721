// Writes the types of the HTTP API from the gateway's own description of it. With `--check` it only says whether they are up to date.

import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const target = new URL("../src/openapi.ts", import.meta.url);
const nodes = await openapiTS(new URL("../../gateway/openapi.json", import.meta.url));
const text = `// Generated from gateway/openapi.json by \`npm run generate -w sdk\`; do not edit.\n\n${astToString(nodes)}`;
if (!process.argv.includes("--check")) writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error("sdk/src/openapi.ts is stale: run `npm run generate -w sdk` and commit the result");
  process.exitCode = 1;
}
