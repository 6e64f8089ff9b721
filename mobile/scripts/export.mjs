// Builds what each platform loads, and says how large it is: `npm run export -- web`, or several of `web`, `android`, `ios`. It fails where a
// platform has grown past its budget: what is added to an app is downloaded by everybody, over whatever network there is.

import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** The most that a platform may load to start, in kB: JavaScript with gzip for the web, Hermes bytecode as it is for phones. */
const budgets = { web: 480, android: 6_000, ios: 6_000 };

const mobile = new URL("..", import.meta.url).pathname;
const platforms = process.argv.slice(2);
if (platforms.length === 0 || platforms.some((platform) => !(platform in budgets))) {
  console.error(`say which platforms: ${Object.keys(budgets).join(", ")}`);
  process.exit(1);
}

let isTooLarge = false;
for (const platform of platforms) {
  const out = join(mobile, "dist", platform);
  rmSync(out, { recursive: true, force: true });
  const env = { ...process.env, CI: "1", EXPO_NO_TELEMETRY: "1", EXPO_OFFLINE: "1" };
  const { status } = spawnSync(join(mobile, "node_modules/.bin/expo"), ["export", "--platform", platform, "--output-dir", out], { cwd: mobile, env, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  const files = readdirSync(out, { recursive: true }).map((name) => join(out, String(name))).filter((name) => /\.(?:js|hbc)$/.test(name) && statSync(name).isFile());
  const bytes = files.reduce((sum, name) => sum + (platform === "web" ? gzipSync(readFileSync(name)).length : statSync(name).size), 0);
  const size = Math.ceil(bytes / 1000);
  console.log(`${platform}: ${size} kB of ${budgets[platform]} kB`);
  isTooLarge ||= size > budgets[platform];
}
if (isTooLarge) {
  console.error("too large: find out what was added with `npx expo export --dump-assetmap --source-maps`, or raise the budget and say why");
  process.exit(1);
}
