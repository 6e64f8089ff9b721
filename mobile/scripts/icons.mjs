// Draws the icons from the web client's `icon.svg`, with the browser that the tests use: `node scripts/icons.mjs`. The results are checked in.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const mobile = new URL("..", import.meta.url).pathname;
const { chromium } = createRequire(join(mobile, "../e2e/browser/package.json"))("@playwright/test");
const svg = readFileSync(join(mobile, "../web/public/icon.svg"), "utf8");
const square = svg.replace(' rx="14"', "");
/** Android cuts its icons to a shape of its own, out of the middle two thirds, and has the ground from the configuration. */
const foreground = svg.replace(/<rect[^>]*>/, "").replace('viewBox="0 0 64 64"', 'viewBox="-24 -24 112 112"');
/** The sign alone, for systems that colour it themselves: Android's status bar, which knows nothing but white, and the dark and tinted icons of iOS. */
const sign = svg.replace(/<rect[^>]*>/, "");
const icons = [
  { name: "icon", size: 1024, source: square },
  { name: "icon-foreground", size: 1024, source: foreground },
  { name: "icon-sign", size: 1024, source: sign },
  { name: "notification", size: 96, source: sign.replace('viewBox="0 0 64 64"', 'viewBox="10 10 46 46"') },
  { name: "splash", size: 512, source: svg },
  { name: "favicon", size: 48, source: svg },
];

const browser = await chromium.launch({ executablePath: process.env["CODEX_CHROMIUM"] ?? "/usr/bin/chromium" });
for (const { name, size, source } of icons) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${source}`);
  await page.screenshot({ path: join(mobile, "assets", `${name}.png`), omitBackground: true });
  await page.close();
}
await browser.close();
