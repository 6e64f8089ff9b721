"use client";

import { type TaskState, isFinal } from "@codex-remote/sdk";
import { type LiveView, count, findRows, isProblem } from "@codex-remote/view";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useMemo, useRef, useState } from "react";

import { useFollow } from "@/lib/live/use-follow";
import { useShortcuts } from "@/lib/shortcuts";
import { useHash } from "@/lib/use-hash";
import { t } from "@/strings";
import { SearchField } from "./search-field";
import { TimelineRow } from "./timeline-row";

/** What a row is taken for before it has been drawn, in pixels. */
const ROW = 72;
const estimateSize = () => ROW;

export function TimelinePanel({ live, state }: { live: LiveView; state: TaskState }) {
  const scroll = useRef<HTMLDivElement>(null);
  const { rows } = live.timeline;
  const linked = useHash("f");
  const { isFollowing, follow } = useFollow(scroll, live.version, linked === null && !isFinal(state));
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize,
    // With a new function the list would go through all rows again each time that it is drawn.
    getItemKey: useCallback((index: number) => rows[index]?.id ?? index, [rows]),
    overscan: 6,
  });
  const [chosen, setChosen] = useState(-1);
  const [needle, setNeedle] = useState("");
  // The rows are the same array with other content.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const hits = useMemo(() => findRows(rows, needle), [rows, needle, live.version]);
  const problems = rows.flatMap((row, index) => (isProblem(row) ? [index] : []));

  const go = (index: number | undefined) => {
    if (index === undefined || index < 0 || index >= rows.length) return;
    setChosen(index);
    follow(false);
    virtual.scrollToIndex(index, { align: "start" });
  };
  const nextProblem = () => go(problems.find((index) => index > chosen) ?? problems[0]);
  const goToHit = (step: 1 | -1) => go(step > 0 ? (hits.find((index) => index > chosen) ?? hits[0]) : (hits.findLast((index) => index < chosen) ?? hits.at(-1)));
  /** Where the reader is: at the row that was chosen, or else at the first one in sight. */
  const move = (step: 1 | -1) => go(chosen < 0 ? (virtual.getVirtualItemForOffset(scroll.current?.scrollTop ?? 0)?.index ?? 0) : chosen + step);
  useShortcuts({ j: () => move(1), k: () => move(-1), e: nextProblem, f: () => follow(true) });

  const target = linked === null ? -1 : rows.findIndex((row, index) => row.id <= linked && (rows[index + 1]?.id ?? Infinity) > linked);
  const arrived = useRef(false);
  const onScroller = (element: HTMLDivElement | null) => {
    scroll.current = element;
    if (element && target >= 0 && !arrived.current) {
      arrived.current = true;
      requestAnimationFrame(() => go(target));
    }
  };

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 py-2 text-sm">
        <SearchField needle={needle} onNeedle={setNeedle} matches={{ at: hits.indexOf(chosen) + 1, of: hits.length }} onMatch={goToHit} />
        <button className="button ml-auto" type="button" onClick={nextProblem} disabled={problems.length === 0}>
          {problems.length === 0 ? t.log.noError : `${t.log.error} (${count(problems.length)})`}
        </button>
      </div>
      <div ref={onScroller} className="min-h-72 flex-1 overflow-y-auto [overflow-anchor:none] max-sm:h-[70dvh]" tabIndex={0} role="log" aria-label={t.task.timeline} aria-live="off">
        {rows.length === 0 && <Empty live={live} state={state} />}
        <ol className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((place) => {
            const row = rows[place.index];
            return (
              row && (
                <li key={place.key} ref={virtual.measureElement} data-index={place.index} className="absolute inset-x-0 top-0 pb-2" style={{ transform: `translateY(${place.start}px)` }}>
                  <TimelineRow row={row} isMarked={place.index === target || place.index === chosen} />
                </li>
              )
            );
          })}
        </ol>
      </div>
      {!isFollowing && !isFinal(state) && (
        <button className="button button-primary absolute right-4 bottom-4 shadow-lg" type="button" onClick={() => follow(true)}>
          ↓ {t.log.follow}
        </button>
      )}
    </div>
  );
}

function Empty({ live, state }: { live: LiveView; state: TaskState }) {
  const text = state === "queued" ? t.task.queuedText : live.done ? t.task.noOutput : t.task.waitingForOutput;
  return <p className="py-10 text-center text-soft">{text}</p>;
}
