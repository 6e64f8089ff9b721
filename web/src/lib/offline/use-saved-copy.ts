import { ConnectionError, TimeoutError } from "@codex-remote/sdk";
import { useEffect, useState } from "react";

/** What was there before this page was loaded came from the shelf. */
const began = Date.now();
/** Answers that come within this time, in milliseconds, need no remark about what is shown until then. */
const PATIENCE = 700;

export const isAway = (error: unknown): boolean => error instanceof ConnectionError || error instanceof TimeoutError;

/** When what is shown was true, if that is not now; `null` while it is as new as it can be. */
export function useSavedCopy({ data, dataUpdatedAt, error }: { data: unknown; dataUpdatedAt: number; error: Error | null }): number | null {
  const isSaved = data !== undefined && data !== null && (isAway(error) || dataUpdatedAt < began);
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    if (!isSaved) return setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [isSaved]);
  return isSaved && isLate ? dataUpdatedAt : null;
}
