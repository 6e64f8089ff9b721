// Draws the icons that cannot be SVG from `public/icon.svg`, with the browser that the tests use: `node scripts/icons.mjs`. The results
// are checked in.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "@playwright/test";

const web = new URL("..", import.meta.url).pathname;
const svg = readFileSync(join(web, "public/icon.svg"), "utf8");
/** Systems cut masked icons to their own shape, so the ground goes to the edge and the drawing stays in the middle. */
const masked = svg.replace(' rx="14"', "").replace('viewBox="0 0 64 64"', 'viewBox="-8 -8 80 80"').replace('<rect width="64" height="64"', '<rect x="-8" y="-8" width="80" height="80"');
const icons = [
  { name: "icon-192", size: 192, source: svg },
  { name: "icon-512", size: 512, source: svg },
  { name: "maskable-512", size: 512, source: masked },
  { name: "apple-touch-icon", size: 180, source: masked },
];

const browser = await chromium.launch({ executablePath: process.env["CODEX_CHROMIUM"] ?? "/usr/bin/chromium" });
for (const { name, size, source } of icons) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${source}`);
  await page.screenshot({ path: join(web, "public/icons", `${name}.png`), omitBackground: true });
  await page.close();
}
await browser.close();
