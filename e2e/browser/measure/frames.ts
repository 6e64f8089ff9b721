/** Frames of a scrolling page, as the browser's own tracing has them. */

import type { Browser, CDPSession, Page } from "@playwright/test";

export interface Frames {
  /** Frames a second that reached the screen while the page scrolled. */
  fps: number;
  drawn: number;
  /** Frames that never reached the screen: it stood still where it should have moved. */
  dropped: number;
  /** Frames that did reach it, scrolled, while what the page itself had to add was not ready and came with a later one. */
  partial: number;
  /** Milliseconds between two drawn frames: the middle, and what 99 of 100 stay below. */
  p50: number;
  p99: number;
  /** Tasks of the main thread that took longer than 50 ms. */
  longTasks: number;
  /** The share of the time in which the main thread was busy. */
  busy: number;
  /** Of the frames of the page, the share in which the middle of what scrolled showed nothing. */
  blank: number;
}

interface TraceEvent {
  name: string;
  cat: string;
  ph: string;
  ts: number;
  dur?: number;
  pid: number;
  tid: number;
  args?: { name?: string; data?: { name?: string }; hasPartialUpdate?: boolean };
}

const CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "disabled-by-default-devtools.timeline.frame", "disabled-by-default-v8.cpu_profiler", "toplevel", "blink.user_timing", "__metadata"];
const MARKS = { begin: "measure-begin", end: "measure-end" };

/** How far each gesture scrolls and how fast, in pixels and pixels a second: a wheel that somebody spins. */
export const GESTURE = { distance: 24_000, speed: 4_000 };

/** Scrolls what is in the middle of `selector` up and down, and counts. `content` is what should be seen there. */
export async function scrollFrames(browser: Browser, page: Page, selector: string, content: string): Promise<Frames> {
  const session = await page.context().newCDPSession(page);
  const box = (await page.locator(selector).boundingBox())!;
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  // Away from the end, where a live view would follow again.
  await gesture(session, x, y, 4_000);
  await page.evaluate(watchForBlanks, { x, y, content });
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.evaluate((mark) => void performance.mark(mark), MARKS.begin);
  await gesture(session, x, y, GESTURE.distance);
  await gesture(session, x, y, -GESTURE.distance);
  await page.evaluate((mark) => void performance.mark(mark), MARKS.end);
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const blank = await page.evaluate(() => (globalThis as unknown as { blanks: { of: number; blank: number } }).blanks);
  await session.detach();
  return { ...count(trace.traceEvents), blank: blank.of === 0 ? 0 : blank.blank / blank.of };
}

/** Scrolls up by so many pixels; down where there are less than none. */
async function gesture(session: CDPSession, x: number, y: number, distance: number): Promise<void> {
  await session.send("Input.synthesizeScrollGesture", { x, y, yDistance: distance, speed: GESTURE.speed, gestureSourceType: "mouse", preventFling: true });
}

function count(events: TraceEvent[]): Omit<Frames, "blank"> {
  const mark = (name: string) => events.find((event) => event.name === name && event.cat.includes("blink.user_timing"));
  const [begin, end] = [mark(MARKS.begin), mark(MARKS.end)];
  if (!begin || !end) throw new Error("the trace has no marks");
  const during = events.filter(({ ts }) => ts >= begin.ts && ts <= end.ts);
  const seconds = (end.ts - begin.ts) / 1e6;
  const drawn = during.filter(({ name }) => name === "DrawFrame").map(({ ts }) => ts);
  drawn.sort((a, b) => a - b);
  const gaps = drawn.slice(1).map((ts, index) => (ts - drawn[index]!) / 1000);
  gaps.sort((a, b) => a - b);
  // The marks were set by the main thread of the page.
  const tasks = during.filter(({ name, pid, tid, dur }) => (name === "RunTask" || name === "ThreadControllerImpl::RunTask") && pid === begin.pid && tid === begin.tid && dur !== undefined);
  const named = tasks.some(({ name }) => name === "RunTask") ? tasks.filter(({ name }) => name === "RunTask") : tasks;
  const lengths = named.map(({ dur }) => dur! / 1000);
  return {
    fps: drawn.length / seconds,
    drawn: drawn.length,
    // One event for both, as the browser's own tools tell them apart ("Dropped frame", "Partially presented frame").
    dropped: during.filter(({ name, args }) => name === "DroppedFrame" && !args?.hasPartialUpdate).length,
    partial: during.filter(({ name, args }) => name === "DroppedFrame" && args?.hasPartialUpdate).length,
    p50: at(gaps, 0.5),
    p99: at(gaps, 0.99),
    longTasks: lengths.filter((length) => length > 50).length,
    busy: lengths.reduce((sum, length) => sum + length, 0) / 1000 / seconds,
  };
}

const at = (sorted: number[], part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;

/** Looks in every frame of the page whether there is content where the eye is. */
function watchForBlanks({ x, y, content }: { x: number; y: number; content: string }): void {
  const blanks = { of: 0, blank: 0 };
  (globalThis as unknown as { blanks: typeof blanks }).blanks = blanks;
  const look = () => {
    blanks.of++;
    // There may be room between two entries, but not so much.
    const found = [y, y + 16].some((y) => document.elementsFromPoint(x, y).some((element) => element.matches(content)));
    if (!found) blanks.blank++;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}
