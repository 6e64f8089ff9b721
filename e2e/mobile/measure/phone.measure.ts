/**
 * Figures of the phone client as a page at the size of a phone, next to limits of the same browser on the same machine in the same run:
 * `make bench-mobile` writes `bench/results/mobile.md`. `CODEX_MEASURE_QUICK=1` tries everything once and prints instead.
 */

import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { type Browser, type Page, devices, test } from "@playwright/test";

import { type Frames, scrollFrames } from "../../browser/measure/frames.js";
import { type Load, load } from "../../browser/measure/load.js";
import { LOAD_COLUMNS, LOAD_TEXT, MEMORY_COLUMNS, MEMORY_TEXT, SCROLL_COLUMNS, SCROLL_TEXT, head, kilobytes, loadRow, memoryRow, scrollRows, section } from "../../browser/measure/report.js";
import { Proxy } from "../../node/proxy.js";
import { Stack } from "../../node/stack.js";
import { App, expect } from "../support/app.js";
import { PhoneWeb } from "../support/phone-web.js";

const isQuick = process.env["CODEX_MEASURE_QUICK"] === "1";
const LINES = 50_000;
const EVENTS = 2_000;
const ROUNDS = isQuick ? 1 : 3;
const root = join(import.meta.dirname, "../../..");
const TERMINAL = '[data-testid="terminal"]';
const TIMELINE = '[data-testid="timeline"]';

type Context = Parameters<Browser["newContext"]>[0] & object;

test("the figures", async ({ browser, page }) => {
  const stack = await Stack.start({ fakeCodex: true });
  const proxy = await Proxy.start(stack.ready.url);
  const web = await PhoneWeb.start(proxy.url);
  try {
    const app = new App(page, stack, proxy, web);
    await app.signIn();
    const long = await finished(app, `[fake:lines ${LINES}]`);
    const events = await finished(app, `[fake:events ${EVENTS}]`);
    // IndexedDB is left out: what is shown comes from the gateway.
    const context: Context = { ...devices["Pixel 7"], storageState: await page.context().storageState() };
    await page.close();
    const report = [head("Phone client", browser, "make bench-mobile", ROUNDS), sizeTable()];
    report.push(await loadTable(browser, context, web.url, events));
    report.push(await scrollTable(browser, context, web.url, long, events));
    report.push(await memoryTable(browser, context, web.url, long));
    const text = `${report.join("\n\n")}\n`;
    console.log(text);
    if (!isQuick) writeFileSync(join(root, "bench/results/mobile.md"), text);
  } finally {
    await web.stop();
    await proxy.stop();
    await stack.stop();
  }
});

/** Submits a task and waits until it is over; answers its path. */
async function finished(app: App, prompt: string): Promise<string> {
  await app.submit(prompt);
  await expect(app.state).toHaveText("Completed", { timeout: 600_000 });
  return new URL(app.page.url()).pathname;
}

/** The exports that are there, by `npm run export`. */
function sizeTable(): string {
  const kinds = { web: /\.js$/, android: /\.hbc$/, ios: /\.hbc$/ };
  const rows = Object.entries(kinds).flatMap(([platform, kind]) => {
    const dist = join(root, "mobile/dist", platform);
    const files = readdirSync(dist, { recursive: true }).map((name) => join(dist, String(name))).filter((name) => kind.test(name) && statSync(name).isFile());
    const sum = (of: (name: string) => number) => kilobytes(files.reduce((total, name) => total + of(name), 0));
    return [[platform, String(files.length), sum((name) => statSync(name).size), sum((name) => gzipSync(readFileSync(name), { level: 9 }).length)]];
  });
  return section("Size", "Scripts for the page, Hermes bytecode for phones. `mobile/scripts/export.mjs` fails the build past its budgets.", ["platform", "files", "kB", "gzip, kB"], rows);
}

async function loadTable(browser: Browser, context: Context, url: string, events: string): Promise<string> {
  const cases = [
    { name: "tasks", url, ready: '[role="heading"]', slowdown: 1, isWarm: false },
    { name: "tasks, processor 4x slower", url, ready: '[role="heading"]', slowdown: 4, isWarm: false },
    { name: "a task", url: url + events, ready: '[role="article"]', slowdown: 1, isWarm: false },
    { name: "a task, processor 4x slower", url: url + events, ready: '[role="article"]', slowdown: 4, isWarm: false },
  ];
  const found = new Map<string, Load[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, ...options } of cases) found.get(name)!.push(await load(browser, { context, ...options }));
  }
  return section("Loading", LOAD_TEXT, LOAD_COLUMNS, [...found].map(([name, loads]) => loadRow(name, loads)));
}

const tall = `<div class="scroll"><div class="tall" style="height: ${LINES * 20}px; background: repeating-linear-gradient(#fff 0 20px, #eee 20px 40px)"></div></div>`;
const text = `<div class="scroll"><pre style="white-space: pre-wrap">${Array.from({ length: LINES }, (_, index) => `line ${index + 1}`).join("\n")}</pre></div>`;
const around = (body: string) => `<style>body { margin: 0; font: 12px/20px monospace } .scroll { height: 100vh; overflow: auto } pre { margin: 0 }</style>${body}`;

async function scrollTable(browser: Browser, context: Context, url: string, long: string, events: string): Promise<string> {
  const terminal = async (page: Page) => {
    await page.goto(url + long);
    await page.getByRole("tab", { name: "Terminal" }).click();
  };
  const cases: { name: string; open: (page: Page) => Promise<void>; selector: string; content: string; slowdown?: number }[] = [
    { name: "stripes (limit)", open: (page) => page.setContent(around(tall)), selector: ".scroll", content: ".tall" },
    { name: `${LINES.toLocaleString("en")} lines as one text`, open: (page) => page.setContent(around(text)), selector: ".scroll", content: "pre" },
    { name: `terminal, ${LINES.toLocaleString("en")} lines`, open: terminal, selector: TERMINAL, content: '[data-testid="line"]' },
    {
      name: "terminal, not wrapped",
      open: async (page) => {
        await terminal(page);
        await page.getByRole("button", { name: "Do not wrap" }).click();
      },
      selector: TERMINAL,
      content: '[data-testid="line"]',
    },
    { name: "terminal, processor 4x slower", open: terminal, selector: TERMINAL, content: '[data-testid="line"]', slowdown: 4 },
    { name: `timeline, ${EVENTS.toLocaleString("en")} messages`, open: (page) => page.goto(url + events).then(() => {}), selector: TIMELINE, content: '[role="article"]' },
  ];
  const found = new Map<string, Frames[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, open, selector, content, slowdown = 1 } of cases) {
      const own = await browser.newContext(context);
      const page = await own.newPage();
      await open(page);
      await page.locator(`${selector} ${content}`).first().waitFor({ timeout: 120_000 });
      await toMiddle(page, selector);
      const session = await own.newCDPSession(page);
      await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
      found.get(name)!.push(await scrollFrames(browser, page, selector, content));
      await own.close();
    }
  }
  return section("Scrolling", `${SCROLL_TEXT} It begins in the middle of the log.`, SCROLL_COLUMNS, scrollRows(found));
}

/** Away from both ends, where one direction would have nothing to scroll. Waits until there is as much as that takes. */
async function toMiddle(page: Page, selector: string): Promise<void> {
  await page.waitForFunction(
    (selector) => {
      const found = [...document.querySelectorAll(`${selector}, ${selector} *`)];
      const scroller = found.find((element) => element.scrollHeight > 60_000 && /auto|scroll/.test(getComputedStyle(element).overflowY));
      if (scroller) scroller.scrollTop = scroller.scrollHeight / 2;
      return scroller !== undefined;
    },
    selector,
    { timeout: 120_000 },
  );
}

async function memoryTable(browser: Browser, context: Context, url: string, long: string): Promise<string> {
  const cases: [string, string, (page: Page) => Promise<void>][] = [
    ["the list of tasks", url, (page) => page.getByRole("heading", { name: "Tasks", exact: true }).waitFor()],
    [
      `terminal, ${LINES.toLocaleString("en")} lines`,
      url + long,
      async (page) => {
        await page.getByRole("tab", { name: "Terminal" }).click();
        await toMiddle(page, TERMINAL);
      },
    ],
  ];
  const rows: string[][] = [];
  for (const [name, address, ready] of cases) {
    const own = await browser.newContext(context);
    rows.push(await memoryRow(name, await own.newPage(), address, ready));
    await own.close();
  }
  return section("Memory", MEMORY_TEXT, MEMORY_COLUMNS, rows);
}
