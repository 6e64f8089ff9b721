import { secrets } from "@/platform/secrets";
import { openWindow, returnAddress } from "@/platform/window";
import { clientFor, secretKey } from "./client";
import { addServer, changeServer, dropServer, listServers } from "./servers";
import { wipe } from "./wipe";

/** Adds a server, or only turns to it where it is known. The keychain of iOS outlives the app: what an earlier installation left there is nobody's. */
export async function meetServer(url: string): Promise<void> {
  if (!listServers().some((server) => server.url === url)) await secrets.remove(secretKey(url)).catch(() => {});
  addServer(url);
}

/** Signs in with a password. */
export async function signIn(url: string, email: string, password: string): Promise<void> {
  await clientFor(url).login(email, password);
  changeServer(url, { email });
}

/** Goes on with what a sign-in at the identity provider has left. */
export async function signInWithCode(url: string, code: string, verifier: string): Promise<void> {
  const client = clientFor(url);
  await client.loginWithCode(code, verifier, { maxRetries: 0 });
  // Only for the list of servers; it is not worth a failed sign-in.
  const me = await client.me().catch(() => null);
  changeServer(url, { email: me?.email ?? "" });
}

/**
 * The session is over here at once, and all that was kept with it; the gateway is told if it can be reached. Where there is a session with the
 * identity provider too, its page to end that opens: otherwise whoever has the phone next would be let in without a question.
 */
export async function signOut(url: string): Promise<void> {
  const told = clientFor(url).logout({ maxRetries: 1, timeout: 5_000 }).catch(() => null);
  // At once, because the app may be ended while the gateway is told; and again for answers that were still on their way then.
  await wipe(url);
  const atProvider = await told;
  await wipe(url);
  // The same browser as for the sign-in, because on iOS others do not share its cookies. Nobody waits for it.
  if (atProvider) void openWindow(atProvider, returnAddress(url), () => {}).catch(() => {});
}

/** Signs out of a server and forgets that it exists. */
export async function removeServer(url: string): Promise<void> {
  await signOut(url);
  await secrets.remove(secretKey(url));
  dropServer(url);
}
