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

export const hasSession = (): boolean => localStorage.getItem(SESSION_KEY) !== null;

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

/** The session is over here at once; the gateway is told if it can be reached. */
export async function signOut(): Promise<void> {
  const told = client().logout({ maxRetries: 1, timeout: 5_000 });
  await told.catch(() => {});
  tell();
}
