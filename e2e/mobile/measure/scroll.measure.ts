/**
 * How a log of 50,000 lines scrolls in the phone client, next to stripes without any content: the limit of the same browser on the same machine in
 * the same run. `make measure-mobile` prints it; it is no test, because a busy machine drops frames of whatever scrolls.
 */

import { test } from "@playwright/test";

import { type Frames, scrollFrames } from "../../browser/measure/frames.js";
import { Stack } from "../../node/stack.js";
import { App, expect } from "../support/app.js";
import { PhoneWeb } from "../support/phone-web.js";
import { Proxy } from "../../node/proxy.js";

const LINES = 50_000;
const ROUNDS = 3;

test("the figures", async ({ browser, page }) => {
  const stack = await Stack.start({ fakeCodex: true });
  const proxy = await Proxy.start(stack.ready.url);
  const web = await PhoneWeb.start(proxy.url);
  try {
    const app = new App(page, stack, proxy, web);
    await app.signIn();
    await app.submit(`[fake:lines ${LINES}]`);
    await expect(app.state).toHaveText("Completed", { timeout: 600_000 });
    await app.tab("Terminal");
    await expect(page.getByTestId("line").first()).toBeVisible();
    const rounds: [string, Frames][] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(["log", await scrollFrames(browser, page, '[data-testid="terminal"]', '[data-testid="line"]')]);
    await page.setContent(`<div class="scroll" style="height: 100vh; overflow: auto"><div class="tall" style="height: ${LINES * 20}px; background: repeating-linear-gradient(#fff 0 20px, #eee 20px 40px)"></div></div>`);
    for (let round = 0; round < ROUNDS; round++) rounds.push(["stripes", await scrollFrames(browser, page, ".scroll", ".tall")]);
    for (const [name, frames] of rounds) console.log(name, JSON.stringify(frames, (_, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value)));
  } finally {
    await web.stop();
    await proxy.stop();
    await stack.stop();
  }
});
