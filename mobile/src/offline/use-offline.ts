import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { shelfFor } from "./index";
import { keepAnswers, restoreLists, restoreTask } from "./keep";

/** How long a screen waits for what was kept, in milliseconds. A database that does not answer must not hold it up. */
const PATIENCE = 1_000;

/** Keeps what the screens of a server see, and gives them what they saw last. Answers whether that has been looked for. */
export function useOffline(server: string, queries: QueryClient): boolean {
  return useRestored(() => restoreLists(queries, shelfFor(server)), server, queries, "", () => keepAnswers(queries, shelfFor(server)));
}

/** Gives the screen of a task what was kept of it. Answers whether that has been looked for. */
export function useOfflineTask(server: string, queries: QueryClient, id: string): boolean {
  return useRestored(() => restoreTask(queries, shelfFor(server), id), server, queries, id);
}

function useRestored(restore: () => Promise<void>, server: string, queries: QueryClient, id: string, keep?: () => () => void): boolean {
  const [ready, setReady] = useState<QueryClient | null>(null);
  useEffect(() => {
    let isOver = false;
    let stop: (() => void) | undefined;
    const begin = () => {
      if (isOver || stop) return;
      stop = keep?.() ?? (() => {});
      setReady(queries);
    };
    const timer = setTimeout(begin, PATIENCE);
    void restore().then(begin, begin);
    return () => {
      isOver = true;
      clearTimeout(timer);
      stop?.();
    };
    // The functions are made of these.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [server, queries, id]);
  return ready === queries;
}
