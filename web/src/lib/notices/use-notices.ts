import { NotFoundError } from "@codex-remote/sdk";
import { useRouter } from "next/navigation";
import { useEffect, useState, useSyncExternalStore } from "react";

import { client } from "../client";
import { changeSettings, useSettings } from "../settings";
import { announce, hasNotifications, lookAt, mayNotify, withdraw } from "./announce";
import { unwatch, unwatchAll, watched } from "./watched";

/** How often the gateway is asked for the tasks that are watched, in milliseconds, and for how many at a time. */
const EVERY = 5_000;
const AT_ONCE = 4;
/** How often a page looks whether it is looked at, in milliseconds. */
const LOOK_AGAIN = 1_000;

/** Held by the one tab that asks. */
const WATCHER = "codex-remote.watcher";

/** Tells the ends of tasks, whatever page is open; `owner` is who is signed in. */
export function useNotices(owner: string | null | undefined): void {
  const router = useRouter();
  const { notify } = useSettings();
  useEffect(() => {
    if (owner !== null) return;
    unwatchAll();
    void withdraw();
  }, [owner]);
  useEffect(() => {
    if (!owner || !notify || !hasNotifications()) return;
    const end = new AbortController();
    const { signal } = end;
    navigator.locks.request(WATCHER, { signal }, () => askUntil(signal)).catch(() => {});
    return () => end.abort();
  }, [owner, notify]);
  useEffect(() => {
    const open = ({ data }: MessageEvent<{ type?: string; path?: string } | null>) => {
      if (data?.type === "open" && data.path?.startsWith("/task/?")) router.push(data.path);
    };
    navigator.serviceWorker?.addEventListener("message", open);
    return () => navigator.serviceWorker?.removeEventListener("message", open);
  }, [router]);
}

/** Asks for a few of the watched tasks after the other, until it is told to stop. */
async function askUntil(signal: AbortSignal): Promise<void> {
  for (let turn = 0; !signal.aborted; turn++) {
    await new Promise((done) => setTimeout(done, EVERY));
    if (signal.aborted || !mayNotify()) continue;
    const ids = watched();
    const chosen = ids.length <= AT_ONCE ? ids : Array.from({ length: AT_ONCE }, (_, index) => ids[(turn * AT_ONCE + index) % ids.length] ?? "");
    for (const id of chosen) {
      try {
        await announce(await client().tasks.get(id, { signal, maxRetries: 0 }));
      } catch (error) {
        // Whatever else it is, it may be over the next time.
        if (error instanceof NotFoundError) unwatch(id);
      }
    }
  }
}

/** Says that this page shows a task, for as long as somebody looks at the page. */
export function useLooking(id: string): void {
  const isSeen = useSyncExternalStore(subscribeToSight, isInSight, () => false);
  useEffect(() => {
    if (isSeen) return lookAt(id);
  }, [id, isSeen]);
}

const isInSight = () => document.visibilityState === "visible" && document.hasFocus();

function subscribeToSight(listener: () => void): () => void {
  document.addEventListener("visibilitychange", listener);
  addEventListener("focus", listener);
  addEventListener("blur", listener);
  // Not every change of the focus is told, and a page that wrongly counts as looked at would keep an end to itself.
  const timer = setInterval(listener, LOOK_AGAIN);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", listener);
    removeEventListener("focus", listener);
    removeEventListener("blur", listener);
  };
}

export type Permission = NotificationPermission | "unsupported";

/** Whether ends of tasks are told, and how to change that. Nothing is asked before the user has turned it on. */
export function useNotifying(): { isOn: boolean; permission: Permission; change: (on: boolean) => Promise<void> } {
  const { notify } = useSettings();
  const [permission, setPermission] = useState<Permission>(() => (hasNotifications() ? Notification.permission : "unsupported"));
  const change = async (on: boolean) => {
    if (on && permission !== "unsupported") {
      const answer = Notification.permission === "default" ? await Notification.requestPermission() : Notification.permission;
      setPermission(answer);
      changeSettings({ notify: answer === "granted" });
    } else {
      changeSettings({ notify: false });
    }
  };
  return { isOn: notify && permission === "granted", permission, change };
}
