/**
 * Figures of the web client, next to limits of the same browser on the same machine in the same run: `make bench-web`
 * writes `bench/results/web.md`. `CODEX_MEASURE_QUICK=1` tries everything once, with a short log, and prints instead.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { type Browser, type Page, expect, test } from "@playwright/test";

import { Stack } from "../../node/stack.js";
import { WebFolder } from "../support/builds.js";
import { type Frames, scrollFrames } from "./frames.js";
import { type Load, load } from "./load.js";
import { head, kilobytes, loadRow, LOAD_COLUMNS, LOAD_TEXT, memoryRow, MEMORY_COLUMNS, MEMORY_TEXT, scrollRows, SCROLL_COLUMNS, SCROLL_TEXT, section } from "./report.js";
import { sizes } from "./sizes.js";

const isQuick = process.env["CODEX_MEASURE_QUICK"] === "1";
const LINES = isQuick ? 20_000 : 200_000;
const EVENTS = isQuick ? 500 : 5_000;
const ROUNDS = isQuick ? 1 : 5;
const root = join(import.meta.dirname, "../../..");

test("the figures", async ({ browser }) => {
  const web = new WebFolder();
  writePeers(web.dir);
  const stack = await Stack.start({ webDir: web.dir, fakeCodex: true });
  const report: string[] = [];
  try {
    const state = await signedIn(browser, stack);
    const context = { storageState: state, viewport: { width: 1280, height: 800 } };
    const long = await submit(stack, state, `[fake:lines ${LINES}]`);
    const events = await submit(stack, state, `[fake:events ${EVENTS}]`);
    report.push(head("Web client", browser, "make bench-web", ROUNDS), sizeTable());
    report.push(await loadTable(browser, stack, context, events));
    report.push(await scrollTable(browser, stack, context, long, events));
    report.push(await memoryTable(browser, stack, context, long));
  } finally {
    await stack.stop();
    web.remove();
  }
  const text = `${report.join("\n\n")}\n`;
  console.log(text);
  if (!isQuick) writeFileSync(join(root, "bench/results/web.md"), text);
});

type Context = { storageState: State; viewport: { width: number; height: number } };
type State = Awaited<ReturnType<typeof signedIn>>;

/** What the pages are compared with: stripes of the same height, and the whole log as one text. */
function writePeers(dir: string): void {
  const height = LINES * 20;
  const page = (body: string) => `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Peer</title><link rel="stylesheet" href="/peer.css"></head><body>${body}</body></html>`;
  writeFileSync(join(dir, "peer.css"), `body { margin: 0; font: 12px/20px monospace } .scroll { height: 100vh; overflow: auto } .tall { height: ${height}px; background: repeating-linear-gradient(#fff 0 20px, #eee 20px 40px) } pre { margin: 0 }`);
  writeFileSync(join(dir, "peer-empty.html"), page('<main class="scroll"><div class="tall"></div></main>'));
  const lines = Array.from({ length: LINES }, (_, index) => `line ${index + 1}`).join("\n");
  writeFileSync(join(dir, "peer-text.html"), page(`<main class="scroll"><pre>${lines}</pre></main>`));
  writeFileSync(join(dir, "peer-page.html"), page("<main><h1>Tasks</h1></main>"));
}

async function signedIn(browser: Browser, stack: Stack) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(stack.ready.url);
  await page.getByLabel("Email").fill(stack.ready.email);
  await page.getByLabel("Password").fill(stack.ready.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  const state = await context.storageState();
  await context.close();
  return state;
}

async function submit(stack: Stack, state: State, prompt: string): Promise<string> {
  const session = state.origins[0]!.localStorage.find(({ name }) => name === "codex-remote.session")!.value;
  const headers = { authorization: `Bearer ${(JSON.parse(session) as { accessToken: string }).accessToken}`, "content-type": "application/json" };
  const made = await fetch(`${stack.ready.url}/api/tasks`, { method: "POST", headers, body: JSON.stringify({ prompt }) });
  const { task_id: id } = (await made.json()) as { task_id: string };
  await expect
    .poll(async () => ((await (await fetch(`${stack.ready.url}/api/tasks/${id}`, { headers })).json()) as { status: string }).status, { timeout: 300_000, intervals: [500] })
    .toBe("completed");
  return id;
}

function sizeTable(): string {
  const rows = sizes(join(root, "web/out")).map(({ route, scripts, gzip, brotli }) => [route, String(scripts), kilobytes(gzip), kilobytes(brotli)]);
  return section("First load", "All scripts that a page names, before anything is loaded when it is needed. `web/scripts/finish.mjs` fails the build past 260 kB of gzip.", ["page", "scripts", "gzip, kB", "brotli, kB"], rows);
}

async function loadTable(browser: Browser, stack: Stack, context: Context, id: string): Promise<string> {
  const { url } = stack.ready;
  const cases = [
    { name: "an empty page (limit)", url: `${url}/peer-page.html`, ready: "h1", slowdown: 1, isWarm: false },
    { name: "tasks", url, ready: "li a", slowdown: 1, isWarm: false },
    { name: "tasks, seen before", url, ready: "li a", slowdown: 1, isWarm: true },
    { name: "tasks, processor 4x slower", url, ready: "li a", slowdown: 4, isWarm: false },
    { name: "a task", url: `${url}/task/?id=${id}`, ready: "article", slowdown: 1, isWarm: false },
    { name: "a task, processor 4x slower", url: `${url}/task/?id=${id}`, ready: "article", slowdown: 4, isWarm: false },
  ];
  const found = new Map<string, Load[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, ...options } of cases) found.get(name)!.push(await load(browser, { context, ...options }));
  }
  return section("Loading", LOAD_TEXT, LOAD_COLUMNS, [...found].map(([name, loads]) => loadRow(name, loads)));
}

async function scrollTable(browser: Browser, stack: Stack, context: Context, long: string, events: string): Promise<string> {
  const { url } = stack.ready;
  const task = (id: string, view: string) => `${url}/task/?id=${id}&view=${view}`;
  const cases = [
    { name: "stripes (limit)", url: `${url}/peer-empty.html`, selector: ".scroll", content: ".tall", ready: ".tall" },
    { name: `${LINES.toLocaleString("en")} lines as one text`, url: `${url}/peer-text.html`, selector: ".scroll", content: "pre", ready: "pre" },
    { name: `terminal, ${LINES.toLocaleString("en")} lines`, url: task(long, "terminal"), selector: '[role="log"]', content: "[data-index]", ready: `[href="#L${LINES}"]` },
    { name: `terminal, wrapped`, url: task(long, "terminal"), selector: '[role="log"]', content: "[data-index]", ready: `[href="#L${LINES}"]`, settings: { wrap: true } },
    { name: `timeline, ${EVENTS.toLocaleString("en")} messages`, url: task(events, "timeline"), selector: '[role="log"]', content: "li", ready: `text=Done.` },
  ];
  const found = new Map<string, Frames[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, url, selector, content, ready, settings } of cases) {
      const own = await browser.newContext(context);
      if (settings) await own.addInitScript((settings) => localStorage.setItem("codex-remote.settings", JSON.stringify(settings)), settings);
      const page = await own.newPage();
      await page.goto(url);
      await toEnd(page, selector);
      await page.locator(ready).last().waitFor({ timeout: 120_000 });
      found.get(name)!.push(await scrollFrames(browser, page, selector, content));
      await own.close();
    }
  }
  return section("Scrolling", `${SCROLL_TEXT} It begins at the end of the log.`, SCROLL_COLUMNS, scrollRows(found));
}

/** Sees to it that the end is in sight, whatever the page begins with. */
async function toEnd(page: Page, selector: string): Promise<void> {
  await page.locator(selector).waitFor();
  await page.locator(selector).evaluate((element) => void (element.scrollTop = element.scrollHeight));
}

async function memoryTable(browser: Browser, stack: Stack, context: Context, long: string): Promise<string> {
  const { url } = stack.ready;
  const cases = [
    { name: `${LINES.toLocaleString("en")} lines as one text`, url: `${url}/peer-text.html`, ready: "pre" },
    { name: "the list of tasks", url, ready: "li a" },
    { name: `terminal, ${LINES.toLocaleString("en")} lines`, url: `${url}/task/?id=${long}&view=terminal`, ready: `[href="#L${LINES}"]` },
  ];
  const rows: string[][] = [];
  for (const { name, url, ready } of cases) {
    const own = await browser.newContext(context);
    rows.push(await memoryRow(name, await own.newPage(), url, async (page) => page.locator(ready).last().waitFor({ timeout: 120_000 })));
    await own.close();
  }
  return section("Memory", MEMORY_TEXT, MEMORY_COLUMNS, rows);
}
