"use client";

import { type Line, type LiveView, Search, count } from "@codex-remote/view";
import { type Virtualizer, useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, useCallback, useEffect, useMemo, useRef, useState } from "react";

import { useFollow } from "@/lib/live/use-follow";
import { changeSettings, useSettings } from "@/lib/settings";
import { useShortcuts } from "@/lib/shortcuts";
import { useHash } from "@/lib/use-hash";
import { t } from "@/strings";
import { TerminalLine } from "./terminal-line";
import { TerminalTools } from "./terminal-tools";

/** The height of a line, in pixels; with broken lines it is only where the measuring begins. */
const LINE = 20;
const estimateSize = () => LINE;

export function TerminalPanel({ id, live }: { id: string; live: LiveView }) {
  const { wrap } = useSettings();
  const scroll = useRef<HTMLDivElement>(null);
  const linked = useHash("L");
  const { dropped, shown, version, isPaused, pause } = usePausable(live);
  const { isFollowing, follow } = useFollow(scroll, version, linked === null && live.done === null);
  // With new functions the list would go through all lines again each time that it is drawn.
  const virtual = useVirtualizer({
    count: shown,
    getScrollElement: () => scroll.current,
    estimateSize,
    getItemKey: useCallback((index: number) => index + dropped, [dropped]),
    overscan: 20,
  });
  const { needle, setNeedle, hits, at, setAt } = useSearch(live.terminal.lines, dropped, live.version);
  useMeasureAgain(virtual, wrap);

  const go = (number: number) => {
    follow(false);
    virtual.scrollToIndex(Math.max(0, number - dropped), { align: "center" });
  };
  const goToHit = (next: number) => {
    const hit = hits.at(next % Math.max(1, hits.length));
    if (hit === undefined) return;
    setAt((next + hits.length) % hits.length);
    go(hit);
  };
  const [problem, setProblem] = useState(-1);
  const nextProblem = () => {
    const { lines } = live.terminal;
    const isBad = (line: Line) => line.kind === "bad";
    const from = Math.max(0, problem + 1 - dropped);
    const offset = lines.slice(from).findIndex(isBad);
    const index = offset >= 0 ? from + offset : lines.findIndex(isBad);
    if (index < 0) return;
    setProblem(index + dropped);
    go(index + dropped);
  };
  useArrival(linked, shown + dropped, (number) => go(number - 1));
  useShortcuts({
    e: nextProblem,
    f: () => follow(true),
    w: () => changeSettings({ wrap: !wrap }),
    p: () => live.done === null && pause(!isPaused),
  });
  const current = at >= 0 ? hits[at] : undefined;

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <TerminalTools
        id={id}
        needle={needle}
        onNeedle={setNeedle}
        matches={{ at: at + 1, of: hits.length }}
        onMatch={(step) => goToHit(at < 0 ? (step > 0 ? 0 : -1) : at + step)}
        onProblem={nextProblem}
        hasProblems={live.terminal.problems > 0}
        isPaused={isPaused}
        onPause={pause}
        canPause={live.done === null}
        isWrapped={wrap}
        onWrap={(on) => changeSettings({ wrap: on })}
        text={() => live.terminal.lines.map((line) => line.text).join("\n")}
      />
      {dropped > 0 && <p className="pb-1 text-sm text-warn">{t.log.dropped(count(dropped))}</p>}
      <div
        ref={scroll}
        className="card min-h-72 flex-1 overflow-auto font-mono text-xs leading-5 [overflow-anchor:none] max-sm:h-[70dvh]"
        tabIndex={0}
        role="log"
        aria-label={t.task.terminal}
        aria-live="off"
      >
        {shown === 0 && <p className="p-4 text-soft">{live.done ? t.task.noOutput : t.task.waitingForOutput}</p>}
        <div className="relative min-w-fit" style={{ height: virtual.getTotalSize(), "--gutter": `${String(shown + dropped).length + 3}ch` } as CSSProperties}>
          {virtual.getVirtualItems().map((place) => {
            const line = live.terminal.lines[place.index];
            const number = place.index + dropped;
            return (
              line && (
                <TerminalLine
                  key={place.key}
                  ref={wrap ? virtual.measureElement : undefined}
                  index={place.index}
                  number={number + 1}
                  line={line}
                  top={place.start}
                  isWrapped={wrap}
                  mark={needle.toLowerCase()}
                  isMarked={number === current || number === problem || number + 1 === linked}
                />
              )
            );
          })}
        </div>
      </div>
      {!isFollowing && !isPaused && live.done === null && (
        <button className="button button-primary absolute right-4 bottom-4 shadow-lg" type="button" onClick={() => follow(true)}>
          ↓ {t.log.follow}
        </button>
      )}
      {isPaused && (
        <button className="button button-primary absolute right-4 bottom-4 shadow-lg" type="button" onClick={() => pause(false)}>
          {t.log.resume} · {t.log.newBelow(count(live.terminal.lines.length + live.terminal.dropped - shown - dropped))}
        </button>
      )}
    </div>
  );
}

/** While the reader pauses, nothing is added to what is drawn. Lines that the buffer lets go are gone all the same. */
function usePausable(live: LiveView) {
  const [held, setHeld] = useState<number | null>(null);
  const { lines, dropped } = live.terminal;
  const shown = held === null ? lines.length : Math.max(0, Math.min(lines.length, held - dropped));
  return {
    dropped,
    shown,
    version: held ?? live.version,
    isPaused: held !== null,
    pause: (on: boolean) => setHeld(on ? lines.length + dropped : null),
  };
}

function useSearch(lines: Line[], dropped: number, version: number) {
  const [needle, setNeedle] = useState("");
  const [at, setAt] = useState(-1);
  const search = useMemo(() => new Search(needle), [needle]);
  // The search keeps what it has found; a new version only adds to it.
  const hits = useMemo(() => {
    search.look(lines, dropped);
    return [...search.hits];
    // The lines are the same array with other content.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [search, lines, dropped, version]);
  const change = (text: string) => {
    setNeedle(text);
    setAt(-1);
  };
  return { needle, setNeedle: change, hits, at, setAt };
}

/** Lines that are broken are as high as they are; others are all the same. */
function useMeasureAgain(virtual: Virtualizer<HTMLDivElement, Element>, wrap: boolean) {
  useEffect(() => virtual.measure(), [virtual, wrap]);
}

/** Goes to the line that the address names, once, as soon as it is there. */
function useArrival(linked: number | null, known: number, go: (number: number) => void) {
  const arrived = useRef<number | null>(null);
  useEffect(() => {
    if (linked === null || arrived.current === linked || known < linked) return;
    arrived.current = linked;
    go(linked);
  });
}
