"use client";

import { type TaskState, isFinal } from "@codex-remote/sdk";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useRef, useState } from "react";

import { count } from "@/lib/format";
import type { LiveView } from "@/lib/live/live-task";
import { isProblem } from "@/lib/live/rows";
import { useFollow } from "@/lib/live/use-follow";
import { useHash } from "@/lib/use-hash";
import { t } from "@/strings";
import { TimelineRow } from "./timeline-row";

/** What a row is taken for before it has been drawn, in pixels. */
const ROW = 72;
const estimateSize = () => ROW;

export function TimelinePanel({ live, state }: { live: LiveView; state: TaskState }) {
  const scroll = useRef<HTMLDivElement>(null);
  const { rows } = live.timeline;
  const linked = useHash("f");
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize,
    getItemKey: useCallback((index: number) => rows[index]?.id ?? index, [rows]),
    overscan: 6,
  });
  const { isFollowing, follow } = useFollow(scroll, live.version, linked === null && !isFinal(state));
  const [problem, setProblem] = useState(-1);
  const problems = rows.flatMap((row, index) => (isProblem(row) ? [index] : []));

  const go = (index: number) => {
    follow(false);
    virtual.scrollToIndex(index, { align: "start" });
  };
  const nextProblem = () => {
    const next = problems.find((index) => index > problem) ?? problems[0];
    if (next === undefined) return;
    setProblem(next);
    go(next);
  };
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
        <button className="button" type="button" onClick={nextProblem} disabled={problems.length === 0}>
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
                  <TimelineRow row={row} isMarked={place.index === target || place.index === problem} />
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
