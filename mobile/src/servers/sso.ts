import { APIError } from "@codex-remote/sdk";
import * as Crypto from "expo-crypto";
import * as WebBrowser from "expo-web-browser";
import { Platform } from "react-native";

import { fetch } from "@/platform/fetch";
import { t } from "@/strings";
import { signInWithCode } from "./session";

/**
 * Sign-in with the identity provider. The app makes a secret and opens the gateway with its hash in the system's browser, which the app cannot look
 * into; the way through the provider ends at the app's own address with `#code=...`, and code and secret together are good for tokens, once. The
 * secret never leaves the app, so whoever catches the address, another app with the same scheme for example, has nothing. The gateway is the
 * provider's client and has a PKCE of its own with it; that is why the requests of `expo-auth-session`, which speak to a provider, do not fit here,
 * and only its session (`openAuthSessionAsync`) is used.
 */

/** Where the gateway sends the browser back to. It has to be in `CODEX_OIDC_RETURN_TO`, except for a page of the gateway itself. */
export function returnAddress(server: string): string {
  if (Platform.OS !== "web") return "codex://signed-in";
  return server === location.origin ? "/signed-in" : `${location.origin}/signed-in`;
}

/** Answers whether somebody is signed in now: turning back is no error. */
export async function signInWithProvider(server: string): Promise<boolean> {
  const verifier = base64url(Crypto.getRandomBytes(32));
  const digest = await Crypto.digestStringAsync(Crypto.CryptoDigestAlgorithm.SHA256, verifier, { encoding: Crypto.CryptoEncoding.BASE64 });
  const returnTo = returnAddress(server);
  const query = `return_to=${encodeURIComponent(returnTo)}&challenge=${urlSafe(digest)}`;
  const address = `${server}/auth/oidc/login?${query}`;
  await checkReturn(address, returnTo);
  const full = returnTo.startsWith("/") ? server + returnTo : returnTo;
  const result = await WebBrowser.openAuthSessionAsync(address, full);
  if (result.type !== "success") return false;
  const answer = answerOf(result.url);
  if (!answer.code) throw new Error(refusalText(answer.error));
  try {
    await signInWithCode(server, answer.code, verifier);
    return true;
  } catch (error) {
    // The gateway knows the code no more, or never did.
    throw error instanceof APIError && error.status === 401 ? new Error(t.sso.errors.late) : error;
  }
}

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
