import type { CodexClient } from "@codex-remote/sdk";
import { LiveTask, type LiveView, type LogKeeper } from "@codex-remote/view";
import { useEffect, useState, useSyncExternalStore } from "react";

import { type Attention, attention, onAttention } from "./attention";

/** How many lines of output are kept in memory; phones have less of it than browsers. The whole log can be shared as a file. */
const LINES = 50_000;

export interface TaskStream {
  view: LiveView;
  /** Tries once more what could not go on. */
  retry: () => void;
}

const nothing = () => () => {};

/**
 * Watches a task while it is on the screen. In the background and without a network there is no connection; the next one goes on after the last
 * number that came, at once when there is somebody to look and something to connect over. `null` until that has begun.
 */
export function useTaskStream(client: Pick<CodexClient, "batches">, id: string, keeper: LogKeeper | null): TaskStream | null {
  const [task, setTask] = useState<LiveTask | null>(null);
  useEffect(() => {
    const live = new LiveTask(client, id, { bufferLines: LINES, keeper });
    setTask(live);
    let network = "";
    const adapt = (now: Attention) => {
      const hasMoved = network !== "" && now.network !== network;
      network = now.network;
      if (!now.isShown) live.pause("hidden");
      else if (!now.isOnline) live.pause("offline");
      else {
        // What was open over the other network is dead, and would only be missed much later.
        if (hasMoved) live.pause("offline");
        live.resume();
      }
    };
    const stop = onAttention(adapt);
    adapt(attention());
    return () => {
      stop();
      live.close();
      setTask(null);
    };
  }, [client, id, keeper]);
  const view = useSyncExternalStore(task?.subscribe ?? nothing, task?.view ?? (() => null), () => null);
  return task && view && { view, retry: () => task.retry() };
}
