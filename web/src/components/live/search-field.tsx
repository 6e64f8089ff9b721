"use client";

import type { KeyboardEvent } from "react";

import { t } from "@/strings";

interface Props {
  needle: string;
  onNeedle: (text: string) => void;
  /** Which match is shown, counted from 1, and how many there are. */
  matches: { at: number; of: number };
  onMatch: (step: 1 | -1) => void;
}

/** Searches in a log: Enter goes to the next match, with Shift to the one before. */
export function SearchField({ needle, onNeedle, matches, onMatch }: Props) {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    onMatch(event.shiftKey ? -1 : 1);
  };
  return (
    <>
      <input
        className="field max-w-56"
        type="search"
        aria-label={t.log.search}
        placeholder={t.log.search}
        value={needle}
        onChange={(event) => onNeedle(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {needle && (
        <>
          <span role="status" className="text-soft">
            {t.log.matches(matches.at, matches.of)}
          </span>
          <button className="button" type="button" aria-label={t.log.previous} onClick={() => onMatch(-1)} disabled={matches.of === 0}>
            ↑
          </button>
          <button className="button" type="button" aria-label={t.log.next} onClick={() => onMatch(1)} disabled={matches.of === 0}>
            ↓
          </button>
        </>
      )}
    </>
  );
}
