"use client";

import { useState } from "react";

import { client } from "@/lib/client";
import { download } from "@/lib/download";
import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";
import { Problem } from "../ui/notice";
import { SearchField } from "./search-field";

interface Props {
  id: string;
  needle: string;
  onNeedle: (text: string) => void;
  matches: { at: number; of: number };
  onMatch: (step: 1 | -1) => void;
  onProblem: () => void;
  hasProblems: boolean;
  isPaused: boolean;
  onPause: (on: boolean) => void;
  canPause: boolean;
  isWrapped: boolean;
  onWrap: (on: boolean) => void;
  text: () => string;
}

export function TerminalTools({ id, needle, onNeedle, matches, onMatch, onProblem, hasProblems, isPaused, onPause, canPause, isWrapped, onWrap, text }: Props) {
  const [error, setError] = useState<Error | null>(null);
  const save = () => {
    setError(null);
    client()
      .tasks.log(id)
      .then((log) => download(log, `${id}.log`, "text/plain"), setError);
  };
  return (
    <div className="flex flex-wrap items-center gap-2 py-2 text-sm">
      <SearchField needle={needle} onNeedle={onNeedle} matches={matches} onMatch={onMatch} />
      <span className="mr-auto" />
      {canPause && (
        <button className="button" type="button" aria-pressed={isPaused} onClick={() => onPause(!isPaused)}>
          {isPaused ? t.log.resume : t.log.pause}
        </button>
      )}
      <button className="button" type="button" onClick={onProblem} disabled={!hasProblems}>
        {hasProblems ? t.log.error : t.log.noError}
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
