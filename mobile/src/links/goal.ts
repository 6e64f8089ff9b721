import { useRouter } from "expo-router";
import { useEffect } from "react";

import { useServerUrl } from "@/servers/context";
import { listServers } from "@/servers/servers";
import { useRouterReady } from "@/use-router-ready";

/** Where somebody was going when a sign-in came between. While there are no screens the router may forget where it was. */
let goal: { server: string; path: string } | null = null;

/** Keeps the way to a screen of a server for after the sign-in there. */
export function setGoal(server: string, path: string): void {
  goal = { server, path };
}

/** For a screen that may be a goal: whichever way led to it, it is reached, and it is one again when the gateway ends the session there. */
export function useArrived(path: string): void {
  const server = useServerUrl();
  useEffect(() => {
    if (goal?.path === path) goal = null;
    return () => {
      if (listServers().some(({ url, hasEnded }) => url === server && hasEnded)) setGoal(server, path);
    };
  }, [server, path]);
}

/** For the screen that the app starts with: goes on to where somebody was going, once. */
export function useGoal(): void {
  const router = useRouter();
  const server = useServerUrl();
  const isReady = useRouterReady();
  useEffect(() => {
    if (!isReady || goal?.server !== server) return;
    const { path } = goal;
    goal = null;
    router.push(path);
  }, [isReady, server, router]);
}
