import type { QueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { forgetDraft } from "../draft";
import { useSettings } from "../settings";
import { keepAnswers, restore } from "./keep";
import { Shelf, clearShelf } from "./shelf";

/** The shelf of the session, while it lasts and the user wants one. */
let current: Shelf | null = null;
export const shelf = (): Shelf | null => current;

/** How long the page waits for what was kept, in milliseconds. A database that does not answer must not hold it up. */
const PATIENCE = 1_000;

/**
 * Looks after the shelf as sessions begin and end: `owner` is who is signed in, `null` when nobody is, and not known before the browser has
 * looked. Answers whether the page may ask for data: with what was kept, it has something to show meanwhile.
 */
export function useShelf(queries: QueryClient, owner: string | null | undefined): boolean {
  const { keepOffline } = useSettings();
  const [ready, setReady] = useState<string | null>(null);
  useEffect(() => {
    // Nothing of one user may be left for the next one.
    const forget = () => {
      queries.clear();
      forgetDraft();
    };
    if (owner === null) forget();
    if (owner) return forget;
  }, [queries, owner]);
  useEffect(() => {
    if (owner === undefined) return;
    if (!owner || !keepOffline) {
      void clearShelf();
      setReady(owner);
      return;
    }
    const own = new Shelf(owner);
    current = own;
    let stop = () => {};
    let isOver = false;
    const begin = () => {
      if (isOver) return;
      stop = keepAnswers(queries, own);
      setReady(owner);
    };
    const late = new Promise<void>((done) => setTimeout(done, PATIENCE));
    void Promise.race([restore(queries, own), late]).then(begin, begin);
    return () => {
      isOver = true;
      stop();
      own.close();
      current = null;
    };
  }, [queries, owner, keepOffline]);
  return ready !== null && ready === owner;
}
