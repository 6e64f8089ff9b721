import { useRouter } from "expo-router";
import { useEffect } from "react";

import { notifications } from "@/platform/notifications";
import { useSettings } from "@/settings/settings";
import { useActive } from "@/use-active";
import { useRouterReady } from "@/use-router-ready";
import { lookAt, lookForEnds } from "./announce";
import { lookInBackground } from "./background";
import { useIsWaiting } from "./watched";

/** How long to wait between two looks while the app is in front, in milliseconds. */
const EVERY = 10_000;

/** Tells the ends of tasks, whatever screen is open. */
export function useNotices(): void {
  const router = useRouter();
  const { notify } = useSettings();
  const isActive = useActive();
  const isWaiting = useIsWaiting();
  const isReady = useRouterReady();
  useEffect(() => (isReady ? notifications?.onOpen((path) => router.navigate(path)) : undefined), [isReady, router]);
  useEffect(() => {
    if (!notifications) return;
    void lookInBackground(notify && isWaiting).catch(() => {});
    if (!notify || !isWaiting || !isActive) return;
    const stop = new AbortController();
    const look = async () => {
      while (!stop.signal.aborted) {
        await lookForEnds(true, stop.signal);
        await new Promise((done) => setTimeout(done, EVERY));
      }
    };
    void look();
    return () => stop.abort();
  }, [notify, isActive, isWaiting]);
}

/** Says that this screen shows a task, for as long as the app is in front. */
export function useLooking(server: string, id: string): void {
  const isActive = useActive();
  useEffect(() => (isActive ? lookAt(server, id) : undefined), [server, id, isActive]);
}
