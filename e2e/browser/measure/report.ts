/** The tables that are kept in `bench/results/`. */

import { cpus, loadavg, release, totalmem } from "node:os";

import type { Browser, Page } from "@playwright/test";

import { type Frames, GESTURE } from "./frames.js";
import type { Load } from "./load.js";

export function head(title: string, browser: Browser, command: string, rounds: number): string {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus().length} x ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, Chromium ${browser.version()} without a GPU and without a screen`;
  return [
    `# ${title}`,
    `${date}, ${machine}. \`${command}\`; load of the machine at its begin ${loadavg()[0]?.toFixed(1)}.`,
    `Browser, gateway, operator and everything else share this machine. Medians of ${rounds} rounds, with the range. Absolute numbers hold for this machine only; the limits beside them come from the same run.`,
  ].join("\n\n");
}

export const LOAD_TEXT =
  "Milliseconds since the navigation, over loopback. Interactive: drawn, and no task of the main thread over 50 ms after it for 2 s. Blocking: what long tasks take beyond 50 ms.";
export const LOAD_COLUMNS = ["page", "first paint", "largest paint", "interactive", "blocking", "kB over the network"];

export function loadRow(name: string, loads: Load[]): string[] {
  const of = (what: keyof Load) => spread(loads.map((one) => one[what]), 0);
  return [name, of("firstPaint"), of("largestPaint"), of("interactive"), of("blocking"), kilobytes(median(loads.map(({ bytes }) => bytes)))];
}

export const SCROLL_TEXT = [
  `A wheel that turns ${GESTURE.distance.toLocaleString("en")} px up and down again at ${GESTURE.speed.toLocaleString("en")} px/s; frames from the browser's trace.`,
  "Dropped: `DroppedFrame`, the screen stood still. Late: the same event with `hasPartialUpdate`, which the browser's tools call a partially presented frame: it was scrolled in time, and what the page had to add outside of what is in sight came with a later one.",
  "Blank: frames of the page in which nothing was drawn where the eye is.",
].join(" ");
export const SCROLL_COLUMNS = ["what", "frames/s", "of the limit", "dropped", "late", "p99 between frames, ms", "long tasks", "main thread busy", "blank"];

/** What was found, the limit first; the rounds of all stand in one order. */
export function scrollRows(found: Map<string, Frames[]>): string[][] {
  const [limit = []] = found.values();
  return [...found].map(([name, rounds]) => {
    const of = (what: keyof Frames, digits = 0) => spread(rounds.map((one) => one[what]), digits);
    const ratio = spread(rounds.map((one, round) => one.fps / limit[round]!.fps), 2);
    const share = (what: "busy" | "blank", digits: number) => `${(median(rounds.map((one) => one[what])) * 100).toFixed(digits)} %`;
    return [name, of("fps", 1), ratio, of("dropped"), of("partial"), of("p99", 1), of("longTasks"), share("busy", 0), share("blank", 1)];
  });
}

export const MEMORY_TEXT = "After a collection; the log is held in memory as text and as rows of the timeline.";
export const MEMORY_COLUMNS = ["page", "heap of scripts, MB", "nodes", "there after, s"];

/** Opens `url`, waits until it is `ready`, and says what that takes. */
export async function memoryRow(name: string, page: Page, url: string, ready: (page: Page) => Promise<void>): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const began = Date.now();
  await page.goto(url);
  await ready(page);
  const took = Date.now() - began;
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const metric = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
  return [name, (metric("JSHeapUsedSize") / 2 ** 20).toFixed(1), String(metric("Nodes")), (took / 1000).toFixed(1)];
}

export function section(title: string, text: string, columns: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [`## ${title}`, "", text, "", line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function spread(values: number[], digits: number): string {
  const show = (value: number) => value.toFixed(digits);
  const middle = show(median(values));
  return values.length === 1 ? middle : `${middle} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
}

export const kilobytes = (bytes: number): string => (bytes / 1000).toFixed(1);
