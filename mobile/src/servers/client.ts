import { CodexClient, type TokenStore, type Tokens } from "@codex-remote/sdk";

import { fetch } from "@/platform/fetch";
import { secrets } from "@/platform/secrets";
import { onWake } from "@/platform/wake";
import { changeServer, listServers } from "./servers";
import { wipe } from "./wipe";

const clients = new Map<string, CodexClient>();

/** The client for a server: one for all, because its requests share the exchange of a token that ran out. */
export function clientFor(url: string): CodexClient {
  let client = clients.get(url);
  if (!client) {
    client = new CodexClient({ baseURL: url, auth: { store: tokenStore(url), onSignedOut: () => over(url) }, fetch, onWake });
    clients.set(url, client);
  }
  return client;
}

/** The gateway has ended the session: what was kept with it goes, and the sign-in says why it is there. */
function over(url: string): void {
  changeServer(url, { hasEnded: true });
  void wipe(url);
}

/** Forgets the clients, which tests of another server need. */
export const forgetClients = (): void => clients.clear();

/** Keys of the keychain have letters, digits and a few signs; two servers never have the same one. */
export const secretKey = (url: string): string => `session.${[...new TextEncoder().encode(url)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** The tokens of a server, in the keychain. Whether there are any is noted beside the server, where the first picture finds it. */
function tokenStore(url: string): TokenStore {
  const key = secretKey(url);
  return {
    async load() {
      const tokens = parsed(await secrets.get(key));
      // A phone that was restored from a backup knows the servers, but has no keychain of theirs. Who signs in next may be somebody else.
      if (!tokens && listServers().some((server) => server.url === url && server.isSignedIn)) {
        changeServer(url, { isSignedIn: false });
        over(url);
      }
      return tokens;
    },
    async save(tokens) {
      await (tokens ? secrets.set(key, JSON.stringify(tokens)) : secrets.remove(key));
      changeServer(url, { isSignedIn: tokens !== null, hasEnded: false });
    },
  };
}

function parsed(text: string | null): Tokens | null {
  try {
    const tokens = JSON.parse(text ?? "null") as Partial<Tokens> | null;
    const isWhole = typeof tokens?.accessToken === "string" && typeof tokens.refreshToken === "string" && typeof tokens.renewAt === "number";
    return isWhole ? (tokens as Tokens) : null;
  } catch {
    return null;
  }
}
