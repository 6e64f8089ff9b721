import { LiveTask, type LiveView } from "@codex-remote/view";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";

import { client } from "../client";
import { shelf } from "../offline/use-shelf";
import { connectedAgain } from "../offline/version";
import { keys } from "../queries";
import { readSettings } from "../settings";

const nothing = () => () => {};

/** Watches a task for as long as the page shows it; `null` until that has begun. */
export function useLiveTask(id: string): LiveView | null {
  const queries = useQueryClient();
  const [live, setLive] = useState<LiveTask | null>(null);
  useEffect(() => {
    const task = new LiveTask(client(), id, { bufferLines: readSettings().bufferLines, keeper: shelf(), onReconnected: connectedAgain });
    setLive(task);
    // The last moment that a page is sure to see.
    const keep = () => document.visibilityState === "hidden" && task.keep();
    document.addEventListener("visibilitychange", keep);
    return () => {
      document.removeEventListener("visibilitychange", keep);
      task.close();
      setLive(null);
    };
  }, [id]);
  const view = useSyncExternalStore(live?.subscribe ?? nothing, live?.view ?? (() => null), () => null);
  const state = view?.done?.state ?? view?.status?.state;
  useEffect(() => {
    if (state) void queries.invalidateQueries({ queryKey: keys.task(id) });
  }, [queries, id, state]);
  return view;
}
