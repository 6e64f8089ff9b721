import { useSyncExternalStore } from "react";

import { type Kept, kept, texts } from "@/kept";
import { notifications } from "@/platform/notifications";
import { storage } from "@/platform/storage";
import { useServers } from "@/servers/servers";

/** The tasks whose end is to be told, by server. */
const servers = new Map<string, Kept<string[]>>();
/** More than this nobody waits for. */
const MOST = 50;

const keyOf = (url: string) => `watched.${url}`;

function listOf(url: string): Kept<string[]> {
  let list = servers.get(url);
  if (!list) {
    list = kept(keyOf(url), texts);
    servers.set(url, list);
  }
  return list;
}

export const watched = (url: string): string[] => listOf(url).get();

/** Whether the end of any task is waited for, also at servers that are not shown now. */
export function useIsWaiting(): boolean {
  const servers = useServers().filter(({ isSignedIn }) => isSignedIn);
  const subscribe = (listener: () => void) => {
    const stops = servers.map(({ url }) => listOf(url).subscribe(listener));
    return () => stops.forEach((stop) => stop());
  };
  return useSyncExternalStore(subscribe, () => servers.some(({ url }) => watched(url).length > 0));
}

export function watch(url: string, id: string): void {
  const list = listOf(url);
  if (!list.get().includes(id)) list.set([...list.get(), id].slice(-MOST));
}

/** Answers whether the task was watched until now. */
export function unwatch(url: string, id: string): boolean {
  const list = listOf(url);
  if (!list.get().includes(id)) return false;
  list.set(list.get().filter((other) => other !== id));
  return true;
}

/** Waits for nothing any more, and takes back what is still to be seen: it says what somebody who has left was working on. */
export async function forgetNotices(url: string): Promise<void> {
  listOf(url).set([]);
  storage.remove(keyOf(url));
  await notifications?.clear();
}
