import { APIError } from "@codex-remote/sdk";
import * as Crypto from "expo-crypto";

import { fetch } from "@/platform/fetch";
import { handOver, openWindow, returnAddress } from "@/platform/window";
import { t } from "@/strings";
import { keepBegun, readBegun, takeBegun } from "./begun";
import { chooseServer } from "./servers";
import { signInWithCode } from "./session";

/**
 * Sign-in with the identity provider. The app makes a secret and opens the gateway with its hash in the system's browser, which the app cannot look
 * into; the way through the provider ends at the app's own address with `#code=...`, and code and secret together are good for tokens, once. The
 * secret never leaves the app, so whoever catches the address, another app with the same scheme for example, has nothing.
 *
 * Of `expo-auth-session` the window is used (`openAuthSessionAsync`, which is in `expo-web-browser`) and not `AuthRequest`. That speaks to an
 * authorization server: it sends `redirect_uri`, `client_id`, `state` and `code_challenge`, takes every answer without its `state` for a forgery, and
 * exchanges the code in a form with `grant_type`. The gateway is no authorization server but the client of one, with a state, a nonce and a PKCE of
 * its own there; here it takes `return_to` and `challenge`, exchanges in JSON, and sends no state back, because a code that was slipped in is worth
 * nothing without its secret. What would be left of `AuthRequest` is the hash of a random number.
 */

/** Answers whether somebody is signed in now: turning back is no error. */
export async function signInWithProvider(server: string): Promise<boolean> {
  forgetArrival();
  const verifier = base64url(Crypto.getRandomBytes(32));
  const digest = await Crypto.digestStringAsync(Crypto.CryptoDigestAlgorithm.SHA256, verifier, { encoding: Crypto.CryptoEncoding.BASE64 });
  const returnTo = returnAddress(server);
  const query = `return_to=${encodeURIComponent(returnTo)}&challenge=${urlSafe(digest)}`;
  const address = `${server}/auth/oidc/login?${query}`;
  await checkReturn(address, returnTo);
  await keepBegun({ server, verifier, at: Date.now() });
  const back = await openWindow(address, returnTo.startsWith("/") ? server + returnTo : returnTo, (url) => void arriveByLink(url));
  // Nothing is given up where the window was left: Android says the same when somebody looks a code up in another app, and browsers do when the
  // provider cuts its window off from the page. The way back then comes as a link, or ends in the window.
  return back !== null && arrive(back);
}

let last: { url: string; end: Promise<boolean> } | null = null;

/**
 * Finishes a sign-in with the address that the browser came back with. On Android that comes twice, from the window and as a link of the system; the
 * second one is answered as the first was.
 */
function arrive(url: string): Promise<boolean> {
  if (last?.url !== url) last = { url, end: finish(url) };
  return last.end;
}

async function finish(url: string): Promise<boolean> {
  const begun = await takeBegun();
  if (!begun) throw new Error(t.sso.errors.lost);
  const answer = answerOf(url);
  if (!answer.code) throw new Error(refusalText(answer.error));
  try {
    await signInWithCode(begun.server, answer.code, begun.verifier);
    return true;
  } catch (error) {
    // The gateway knows the code no more, or never did.
    throw error instanceof APIError && error.status === 401 ? new Error(t.sso.errors.late) : error;
  }
}

/** How it stands with a sign-in that came back by a link: nobody waits for its promise. */
export interface Arrival {
  isPending: boolean;
  problem: Error | null;
}

const NOTHING: Arrival = { isPending: false, problem: null };
let arrival = NOTHING;
const listeners = new Set<() => void>();

export const readArrival = (): Arrival => arrival;

export function onArrival(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function settle(next: Arrival): void {
  arrival = next;
  for (const listener of [...listeners]) listener();
}

/** Another try has begun: what became of the last one does not count any more. */
export function forgetArrival(): void {
  if (arrival !== NOTHING) settle(NOTHING);
}

/**
 * The system has opened the app with its return address. The window usually hears of it too; it does not when the app was ended meanwhile, or when
 * somebody came back to the app in between.
 */
export async function arriveByLink(url: string): Promise<void> {
  settle({ isPending: true, problem: null });
  try {
    const begun = await readBegun();
    if (begun) chooseServer(begun.server);
    await arrive(url);
    settle(NOTHING);
  } catch (error) {
    settle({ isPending: false, problem: error instanceof Error ? error : new Error(String(error)) });
  }
}

/**
 * In a browser the way back ends in a window. The page that opened it finishes, and the window closes; where that page is gone, or was loaded again
 * meanwhile, the window finishes itself, and answers that it has.
 */
export const arriveInWindow = async (url: string): Promise<boolean> => !(await handOver(url)) && arrive(url);

/** What stands behind the `#` of the address that the browser came back with. */
export function answerOf(url: string): { code: string | null; error: string | null } {
  const answer = new URLSearchParams(url.split("#")[1] ?? "");
  return { code: answer.get("code"), error: answer.get("error") };
}

/** A gateway that does not know this app's address would say so in the browser, in JSON. */
async function checkReturn(address: string, returnTo: string): Promise<void> {
  const response = await fetch(address, { redirect: "manual", credentials: "omit" }).catch(() => null);
  if (response?.status === 400) throw new Error(t.sso.notListed(returnTo));
}

export function refusalText(code: string | null): string {
  const texts: Record<string, string> = t.sso.errors;
  return (code !== null && Object.hasOwn(texts, code) && texts[code]) || t.sso.failed;
}

const urlSafe = (base64: string): string => base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const base64url = (bytes: Uint8Array): string => urlSafe(btoa(String.fromCharCode(...bytes)));
