import * as WebBrowser from "expo-web-browser";

/**
 * What `window.ts` is on a phone: a window beside the page, or the page itself where the browser lets none open. The window tells over a channel of
 * its own that it is back: `maybeCompleteAuthSession` needs `window.opener`, and gateways and providers that send `Cross-Origin-Opener-Policy` cut
 * that off on the way. The page sees its window as closed from then on, so `null` may come before the way back does, which `late` is then called with.
 */
const CHANNEL = "codex-remote.signed-in";
/** How long the page that opened a window may take to answer it, in milliseconds. */
const PATIENCE = 3_000;

let channel: BroadcastChannel | null = null;

export const returnAddress = (server: string): string => (server === location.origin ? "/signed-in" : `${location.origin}/signed-in`);

export function openWindow(address: string, returnTo: string, late: (url: string) => void): Promise<string | null> {
  // One that was left open, for example after a sign-out, would be used again without being sent anywhere.
  WebBrowser.dismissAuthSession();
  channel?.close();
  const own = (channel = new BroadcastChannel(CHANNEL));
  return new Promise((resolve, reject) => {
    let isLeft = false;
    own.onmessage = ({ data }: MessageEvent<unknown>) => {
      const url = (data as { url?: unknown } | null)?.url;
      if (typeof url !== "string") return;
      own.postMessage("taken");
      WebBrowser.dismissAuthSession();
      if (isLeft) late(url);
      else resolve(url);
    };
    WebBrowser.openAuthSessionAsync(address, returnTo).then(
      () => {
        isLeft = true;
        resolve(null);
      },
      (error: unknown) => {
        if ((error as { code?: unknown }).code === "ERR_WEB_BROWSER_BLOCKED") location.assign(address);
        else reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

/** Tells the page that opened this window what it came back with; answers whether there still is one. */
export async function handOver(url: string): Promise<boolean> {
  const own = new BroadcastChannel(CHANNEL);
  const isTaken = await new Promise<boolean>((done) => {
    own.onmessage = ({ data }) => data === "taken" && done(true);
    setTimeout(() => done(false), PATIENCE);
    own.postMessage({ url });
  });
  own.close();
  if (isTaken) window.close();
  return isTaken;
}
