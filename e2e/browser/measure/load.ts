/** How long a page takes until it is there and answers, as the browser has it. */

import type { Browser, BrowserContextOptions, Page } from "@playwright/test";

export interface Load {
  /** All in milliseconds since the navigation, but for the last two. */
  firstPaint: number;
  largestPaint: number;
  /** When the page was there and the main thread had been idle for 2 s afterwards. */
  interactive: number;
  /** What of long tasks exceeds 50 ms, between the first paint and `interactive`. */
  blocking: number;
  /** Bytes over the network, and those of them that are scripts. */
  bytes: number;
  scripts: number;
}

/** The main thread counts as idle when nothing long came for this time, in milliseconds. */
const QUIET = 2_000;

export interface LoadOptions {
  context: BrowserContextOptions;
  url: string;
  /** What shows that the page is there. */
  ready: string;
  /** How much slower than this machine the processor is. */
  slowdown: number;
  /** Whether the page was there before, so that cache and service worker have what they keep. */
  isWarm: boolean;
}

export async function load(browser: Browser, { context: given, url, ready, slowdown, isWarm }: LoadOptions): Promise<Load> {
  const context = await browser.newContext(given);
  try {
    if (isWarm) await visit(await context.newPage(), url, ready);
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    await session.send("Network.enable");
    const kinds = new Map<string, string>();
    let [bytes, scripts] = [0, 0];
    session.on("Network.responseReceived", ({ requestId, type }) => kinds.set(requestId, type));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      bytes += encodedDataLength;
      if (kinds.get(requestId) === "Script") scripts += encodedDataLength;
    });
    await page.addInitScript(watch);
    await page.goto(url);
    await page.locator(ready).first().waitFor();
    const times = await page.evaluate(settle, QUIET);
    return { ...times, bytes, scripts };
  } finally {
    await context.close();
  }
}

async function visit(page: Page, url: string, ready: string): Promise<void> {
  await page.goto(url);
  await page.locator(ready).first().waitFor();
  await page.evaluate(async () => {
    if ((await navigator.serviceWorker.getRegistration()) !== undefined) await navigator.serviceWorker.ready;
  });
  await page.waitForLoadState("networkidle");
  await page.close();
}

interface Watched {
  long: { begin: number; length: number }[];
  largest: number;
}

function watch(): void {
  const watched: Watched = { long: [], largest: 0 };
  (globalThis as unknown as { watched: Watched }).watched = watched;
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) watched.long.push({ begin: startTime, length: duration });
  }).observe({ type: "longtask", buffered: true });
  new PerformanceObserver((list) => {
    for (const { startTime } of list.getEntries()) watched.largest = startTime;
  }).observe({ type: "largest-contentful-paint", buffered: true });
}

/** Runs in the page, right after its content is there. */
async function settle(quiet: number) {
  const { watched } = globalThis as unknown as { watched: Watched };
  const there = performance.now();
  const lastEnd = () => watched.long.reduce((last, { begin, length }) => Math.max(last, begin + length), 0);
  while (performance.now() - Math.max(there, lastEnd()) < quiet) await new Promise((done) => setTimeout(done, 100));
  const firstPaint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
  // Polling sees the content a little late, so what the page did last is the better sign, where it did anything.
  const interactive = Math.max(firstPaint, watched.largest, lastEnd());
  const blocking = watched.long.filter(({ begin }) => begin >= firstPaint).reduce((sum, { length }) => sum + length - 50, 0);
  return { firstPaint, largestPaint: watched.largest, interactive, blocking };
}
