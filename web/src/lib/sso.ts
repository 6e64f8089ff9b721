import { APIError, type SignInMethods } from "@codex-remote/sdk";
import { useEffect, useState, useSyncExternalStore } from "react";

import { t } from "@/strings";
import { client, signInWithCode } from "./client";
import { useOnline } from "./use-online";

/**
 * Sign-in with the identity provider. The tab makes a secret and sends the browser to the gateway with its hash; the way through the provider ends at
 * `#code=...` of the page that was asked for, and code and secret together are good for tokens, once. The secret never leaves the tab, so a code
 * that somebody else slips into the address is worth nothing.
 */

const KEY = "codex-remote.sso";
/** The longest address that the gateway returns to, in characters. */
const LONGEST_RETURN = 1000;

interface Begun {
  verifier: string;
  /** The fragment of the page that was asked for; its place is taken by the answer. */
  hash: string;
}

/** Leaves the page for the provider, so this ends with an error or not at all. */
export async function beginSso(): Promise<never> {
  // Browsers have it on pages that nobody on the way can change only, and on those of this machine.
  if (!globalThis.isSecureContext) throw new Error(t.sso.insecure);
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const begun: Begun = { verifier, hash: location.hash };
  sessionStorage.setItem(KEY, JSON.stringify(begun));
  const here = location.pathname + location.search;
  const query = new URLSearchParams({ return_to: here.length <= LONGEST_RETURN ? here : "/", challenge: base64url(new Uint8Array(digest)) });
  location.assign(`/auth/oidc/login?${query.toString()}`);
  return new Promise(() => {});
}

/** How it stands with a sign-in that has come back. */
export interface Arrival {
  isPending: boolean;
  problem: string | null;
}

const NOTHING: Arrival = { isPending: false, problem: null };
let arrival: Arrival | null = null;
const listeners = new Set<() => void>();

/** The browser may have come back from the provider with this page. The address is read once, whoever asks first. */
export function useArrival(): Arrival {
  return useSyncExternalStore(subscribe, () => (arrival ??= arrive()), () => NOTHING);
}

/** Another try has begun: what became of the last one does not count any more. */
export function forgetArrival(): void {
  settle(NOTHING);
}

function arrive(): Arrival {
  const answer = new URLSearchParams(location.hash.slice(1));
  const [code, refusal] = [answer.get("code"), answer.get("error")];
  if (code === null && refusal === null) return NOTHING;
  const begun = takeBegun();
  // Out of the history at once, used up or not.
  history.replaceState(null, "", location.pathname + location.search + (begun?.hash ?? ""));
  if (code === null) return { isPending: false, problem: refusalText(refusal) };
  if (!begun) return { isPending: false, problem: t.sso.errors.lost };
  signInWithCode(code, begun.verifier).then(
    () => settle(NOTHING),
    // The gateway knows the code no more, or never did.
    (error: unknown) => {
      const problem = error instanceof APIError && error.status === 401 ? t.sso.errors.late : (error as Error).message;
      settle({ isPending: false, problem });
    },
  );
  return { isPending: true, problem: null };
}

function settle(next: Arrival): void {
  arrival = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function takeBegun(): Begun | null {
  const text = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  try {
    const begun = JSON.parse(text ?? "null") as Partial<Begun> | null;
    return typeof begun?.verifier === "string" && typeof begun.hash === "string" ? { verifier: begun.verifier, hash: begun.hash } : null;
  } catch {
    return null;
  }
}

function refusalText(code: string | null): string {
  const texts: Record<string, string> = t.sso.errors;
  return (code !== null && Object.hasOwn(texts, code) && texts[code]) || t.sso.failed;
}

const base64url = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** What a gateway offers that cannot be asked now. */
const UNKNOWN: SignInMethods = { password: true, oidc: null };

/** The ways to sign in; `null` until the gateway has said so, or could not. It is asked again when the network comes back. */
export function useSignInMethods(): SignInMethods | null {
  const [methods, setMethods] = useState<SignInMethods | null>(null);
  const isOnline = useOnline();
  useEffect(() => {
    const stop = new AbortController();
    client()
      .signInMethods({ signal: stop.signal, timeout: 5_000, maxRetries: isOnline ? 2 : 0 })
      .then(setMethods)
      .catch(() => {
        if (!stop.signal.aborted) setMethods((known) => known ?? UNKNOWN);
      });
    return () => stop.abort();
  }, [isOnline]);
  return methods;
}
