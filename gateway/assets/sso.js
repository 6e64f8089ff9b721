// Sign-in with the identity provider, where one is configured. The secret never leaves this tab; the way through the provider ends at
// `#code=...`, and code and secret together are good for tokens, once.

const KEY = "sso";
const ERRORS = {
  denied: "The identity provider did not let you in.",
  refused: "The answer of the identity provider was refused. Sign in again.",
  unavailable: "The identity provider cannot be reached now. Try again later.",
  not_allowed: "You may not use this installation. Ask its administrator.",
  email_unverified: "The identity provider has not verified your email address.",
  lost: "This sign-in was begun in another browser, or took too long. Sign in again.",
  disabled: "Your account is disabled. Ask an administrator.",
};

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** The name of the provider, or nothing. */
export async function provider() {
  const response = await fetch("/auth/methods").catch(() => null);
  return response?.ok ? (await response.json()).oidc?.name : undefined;
}

/** Leaves the page; `finish` goes on when the browser comes back. */
export async function begin() {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem(KEY, JSON.stringify({ verifier, hash: location.hash }));
  const query = new URLSearchParams({ return_to: location.pathname, challenge: base64url(new Uint8Array(digest)) });
  location.assign(`/auth/oidc/login?${query}`);
}

/** The tokens, when the browser has just come back with a code; nothing when it comes from elsewhere. */
export async function finish(post) {
  const answer = new URLSearchParams(location.hash.slice(1));
  const [code, error] = [answer.get("code"), answer.get("error")];
  if (!code && !error) return null;
  const begun = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  // Out of the history at once, used up or not.
  history.replaceState(null, "", location.pathname + (begun?.hash ?? ""));
  if (error) throw new Error(ERRORS[error] ?? "The sign-in failed.");
  if (!begun) throw new Error("This sign-in was begun in another tab. Sign in again.");
  return post("/auth/oidc/exchange", { code, verifier: begun.verifier });
}
