import { CodexClient, webStore } from "@codex-remote/sdk";

/** Told when the session ends, whoever ended it. */
type Listener = () => void;
const listeners = new Set<Listener>();

export function onSessionChange(listener: Listener): () => void {
  const stored = (event: StorageEvent) => event.key === SESSION_KEY && listener();
  listeners.add(listener);
  addEventListener("storage", stored);
  return () => {
    listeners.delete(listener);
    removeEventListener("storage", stored);
  };
}

const tell = () => listeners.forEach((listener) => listener());

const SESSION_KEY = "codex-remote.session";

let read: { text: string | null; owner: string | null } = { text: null, owner: null };

/** Who is signed in, by the id in the access token: `null` when nobody is, empty when the token does not say. */
export function sessionOwner(): string | null {
  const text = localStorage.getItem(SESSION_KEY);
  if (text !== read.text) read = { text, owner: text === null ? null : subjectOf(text) };
  return read.owner;
}

/** The claims are not checked: the gateway does that, here they only tell users apart. */
function subjectOf(session: string): string {
  try {
    const { accessToken } = JSON.parse(session) as { accessToken: string };
    const claims = accessToken.split(".")[1] ?? "";
    const { sub } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { sub?: unknown };
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}

let made: CodexClient | null = null;

/** The gateway that served the page. Nothing is made while the pages are exported, where there is no window. */
export function client(): CodexClient {
  made ??= new CodexClient({ baseURL: location.origin, auth: { store: webStore(localStorage, SESSION_KEY), onSignedOut: tell } });
  return made;
}

export async function signIn(email: string, password: string): Promise<void> {
  await client().login(email, password);
  tell();
}

/** With what a sign-in at the identity provider has left. */
export async function signInWithCode(code: string, verifier: string): Promise<void> {
  await client().loginWithCode(code, verifier, { maxRetries: 0 });
  tell();
}

/**
 * The session is over here at once; the gateway is told if it can be reached. Who came from an identity provider is led there, where the session would
 * otherwise go on, and let the next one at this browser in with one click.
 */
export async function signOut(): Promise<void> {
  const told = client().logout({ maxRetries: 1, timeout: 5_000 });
  const elsewhere = await told.catch(() => null);
  tell();
  if (elsewhere) location.assign(elsewhere);
}
