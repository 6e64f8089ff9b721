import { ConnectionError } from "@codex-remote/sdk";
import { ago } from "@codex-remote/view";
import { useEffect, useState } from "react";

import { t } from "@/task/strings";
import { Warning } from "@/ui/notice";
import { useNow } from "@/use-now";

/** What was there before this app was started came from the shelf. */
const began = Date.now();
/** Answers that come within this time, in milliseconds, need no remark about what is shown until then. */
const PATIENCE = 700;

/** Whether nobody answered. A timeout is one of these errors. */
export const isAway = (error: unknown): boolean => error instanceof ConnectionError;

/** What is shown is of `at`, in Unix time in milliseconds; whether the gateway was found to be away, or has only not answered yet. */
export interface Copy {
  at: number;
  isAway: boolean;
}

/** When what is shown was true, if that is not now; `null` while it is as new as it can be. */
export function useSavedCopy({ data, dataUpdatedAt, error }: { data: unknown; dataUpdatedAt: number; error: Error | null }): Copy | null {
  const away = isAway(error);
  const isSaved = data !== undefined && data !== null && (away || dataUpdatedAt < began);
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    if (!isSaved) return setLate(false);
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, [isSaved]);
  return isSaved && isLate ? { at: dataUpdatedAt, isAway: away } : null;
}

/** Says that what is shown is not what the gateway would say now. */
export function SavedCopy({ copy: { at, isAway } }: { copy: Copy }) {
  return <Warning aging={`${t.offline.saved} ${ago(new Date(at).toISOString(), useNow())}.`} text={isAway ? t.offline.savedText : t.offlineAsked} />;
}
