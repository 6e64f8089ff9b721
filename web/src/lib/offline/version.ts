import { useEffect, useState } from "react";

/** The build that this page is of. */
export const BUILD = process.env["CODEX_WEB_BUILD"] ?? "";

/** How often to look whether the gateway has another one, in milliseconds; besides that, when the page comes into sight and when a connection is back. */
const EVERY = 10 * 60_000;
const EVENT = "codex-connected-again";
/** How long the offer waits for the worker of the new build, in milliseconds. */
const PATIENCE = 10_000;

/** The gateway was away: it may have been exchanged. */
export const connectedAgain = (): boolean => dispatchEvent(new Event(EVENT));

/** Begins to keep the shell, and to hold what this page may still need of it. */
export function useServiceWorker(): void {
  useEffect(() => {
    if (process.env.NODE_ENV !== "production") return;
    // The worker keeps the files of every build whose name is held.
    void navigator.locks?.request(`codex-remote.shell.${BUILD}`, { mode: "shared" }, () => new Promise(() => {}));
    // Browsers have workers only where pages come over HTTPS or from this machine; all else works without.
    navigator.serviceWorker?.register("/sw.js", { updateViaCache: "none" }).catch(() => {});
  }, []);
}

/** Whether the gateway serves another build than this page is of. */
export function useNewVersion(): boolean {
  const [isNew, setNew] = useState(false);
  useEffect(() => {
    if (isNew || process.env.NODE_ENV !== "production") return;
    const look = async () => {
      if (document.visibilityState !== "visible") return;
      const served = await servedBuild();
      if (served === null || served === BUILD) return;
      await Promise.race([workerUpdated(), new Promise((late) => setTimeout(late, PATIENCE))]);
      setNew(true);
    };
    const soon = () => void look();
    const timer = setInterval(soon, EVERY);
    document.addEventListener("visibilitychange", soon);
    addEventListener(EVENT, soon);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", soon);
      removeEventListener(EVENT, soon);
    };
  }, [isNew]);
  return isNew;
}

/**
 * Fetches the worker of the new build, and waits until it has taken over. Chromium loses a page that is reloaded while one worker makes room for
 * another: it stays blank for minutes.
 */
async function workerUpdated(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  if (!registration) return;
  await registration.update().catch(() => {});
  const worker = registration.installing ?? registration.waiting ?? registration.active;
  while (worker && worker.state !== "activated" && worker.state !== "redundant") {
    await new Promise((changed) => worker.addEventListener("statechange", changed, { once: true }));
  }
}

async function servedBuild(): Promise<string | null> {
  try {
    const response = await fetch("/build.json", { cache: "no-store" });
    const { build } = (await response.json()) as { build?: unknown };
    return typeof build === "string" ? build : null;
  } catch {
    // Away, or a gateway with another web client: nothing that could be offered.
    return null;
  }
}
