/** Pictures of screens, small enough to be checked in. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "@playwright/test";

/** Pictures go where nothing is checked in, unless they are to be kept. */
const folder = process.env["CODEX_PICTURES"] ?? join(import.meta.dirname, "../../../target/browser-pictures");
/** Of 100; text stays sharp, and a screen takes some 50 kB. */
const QUALITY = 82;

export async function takePicture(page: Page, name: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
  await session.detach();
  writeFileSync(join(folder, `${name}.webp`), Buffer.from(data, "base64"));
}
