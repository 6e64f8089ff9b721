/// <reference lib="webworker" />
/**
 * The service worker: keeps the pages readable without a network, and opens tasks from notifications.
 *
 * The libraries for this answer from their cache first and drop the files of the last build as soon as the next one takes over. Here a
 * gateway that can be reached decides which build a page is of, a build is kept for as long as a page of it is open, and what was
 * asked of the API is never touched. `scripts/finish.mjs` puts `BUILD` and `SHELL` in front of this file, which therefore imports nothing.
 *
 * No page runs files of two builds: names of chunks change with their content, the pages and everything else with a fixed name come from one
 * gateway or, without it, from one cache, which is filled completely and with checked hashes or not at all.
 */

declare const self: ServiceWorkerGlobalScope;
/** The name of the build. */
declare const BUILD: string;
/** The path of each of its files, with the hash of the content. */
declare const SHELL: Record<string, string>;

const PREFIX = "codex-remote.shell.";
const OWN = PREFIX + BUILD;
/** Files whose names change with their content. */
const FIXED = "/_next/static/";
/** How long a page waits for the gateway before it comes from the shell, in milliseconds. */
const PATIENCE = 4_000;

self.addEventListener("install", (event) => {
  // It can serve the pages of every build, so there is nothing to wait for.
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      await forgetOthers();
      // With it the browser asks twice for each page that the worker leaves to it, and the last step of a sign-in is good for one request.
      await self.registration.navigationPreload?.disable();
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith(FIXED)) event.respondWith(fixedFile(request));
  else if (request.mode === "navigate" && url.pathname in SHELL) event.respondWith(page(event, url.pathname));
  else if (url.pathname in SHELL) event.respondWith(current(request, url.pathname));
  // Everything else, the API above all, is none of the worker's business.
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { path } = event.notification.data as { path: string };
  event.waitUntil(open(path));
});

/** Fetches the whole shell. The hashes make sure that all of it is of this build, also while a gateway is being exchanged. */
async function fill(): Promise<void> {
  const cache = await caches.open(OWN);
  try {
    await Promise.all(
      Object.entries(SHELL).map(async ([path, integrity]) => {
        const known = path.startsWith(FIXED) ? await caches.match(path) : undefined;
        const response = known ?? (await fetch(path, { integrity, cache: "no-cache", credentials: "omit" }));
        if (!response.ok) throw new Error(`${path}: ${response.status}`);
        await cache.put(path, response);
      }),
    );
  } catch (error) {
    await caches.delete(OWN);
    throw error;
  }
}

/** Pages hold a lock with the name of their build, so the shells that nobody needs any more are known. */
async function forgetOthers(): Promise<void> {
  const { held = [] } = await navigator.locks.query();
  const used = new Set(held.map(({ name }) => name));
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== OWN);
  await Promise.all(names.filter((name) => !used.has(name)).map((name) => caches.delete(name)));
}

/** A chunk has the same content wherever it is found. */
async function fixedFile(request: Request): Promise<Response> {
  return (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
}

/** The gateway's own page, which is the one that fits the gateway; without it, that of the shell. */
async function page(event: FetchEvent, path: string): Promise<Response> {
  const fromGateway = fetch(event.request);
  const late = new Promise<null>((done) => setTimeout(() => done(null), PATIENCE));
  try {
    const response = await Promise.race([fromGateway, late]);
    // A proxy in front of a gateway that is away answers as well.
    if (response && ![502, 503, 504].includes(response.status)) return response;
  } catch {
    // No network, or no gateway.
  }
  return (await fromShell(path)) ?? fromGateway;
}

/** What pages load besides themselves under names that stay the same. */
async function current(request: Request, path: string): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await fromShell(path);
    if (kept) return kept;
    throw error;
  }
}

async function fromShell(path: string): Promise<Response | undefined> {
  const cache = await caches.open(OWN);
  return cache.match(path, { ignoreVary: true });
}

/** Shows the page, in a window that there is already if possible. */
async function open(path: string): Promise<void> {
  const windows = await self.clients.matchAll({ type: "window" });
  const target = new URL(path, self.location.origin);
  const isSame = ({ pathname, searchParams }: URL) => pathname === target.pathname && searchParams.get("id") === target.searchParams.get("id");
  const same = windows.find(({ url }) => isSame(new URL(url)));
  const window = same ?? windows[0];
  if (!window) {
    await self.clients.openWindow(path);
    return;
  }
  // The page goes there by itself, which keeps what it has loaded.
  if (!same) window.postMessage({ type: "open", path });
  await window.focus().catch(() => undefined);
}

export {};
