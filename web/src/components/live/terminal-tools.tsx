"use client";

import { type KeyboardEvent, useState } from "react";

import { client } from "@/lib/client";
import { download } from "@/lib/download";
import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";
import { Problem } from "../ui/notice";

interface Props {
  id: string;
  needle: string;
  onNeedle: (text: string) => void;
  matches: { at: number; of: number };
  onMatch: (step: 1 | -1) => void;
  onProblem: () => void;
  isPaused: boolean;
  onPause: (on: boolean) => void;
  canPause: boolean;
  isWrapped: boolean;
  onWrap: (on: boolean) => void;
  text: () => string;
}

export function TerminalTools({ id, needle, onNeedle, matches, onMatch, onProblem, isPaused, onPause, canPause, isWrapped, onWrap, text }: Props) {
  const [error, setError] = useState<Error | null>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    onMatch(event.shiftKey ? -1 : 1);
  };
  const save = () => {
    setError(null);
    client()
      .tasks.log(id)
      .then((log) => download(log, `${id}.log`, "text/plain"), setError);
  };
  return (
    <div className="flex flex-wrap items-center gap-2 py-2 text-sm">
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
      <span className="mr-auto" />
      {canPause && (
        <button className="button" type="button" aria-pressed={isPaused} onClick={() => onPause(!isPaused)}>
          {isPaused ? t.log.resume : t.log.pause}
        </button>
      )}
      <button className="button" type="button" onClick={onProblem}>
        {t.log.error}
      </button>
      <button className="button" type="button" aria-pressed={isWrapped} onClick={() => onWrap(!isWrapped)}>
        {t.log.wrap}
      </button>
      <CopyButton text={text} label={t.log.copyAll} />
      <button className="button" type="button" onClick={save}>
        {t.task.downloadLog}
      </button>
      {error && <Problem error={error} />}
    </div>
  );
}
