import { kept } from "@/kept";

/** A gateway that this device knows. */
export interface Server {
  /** Its origin, which is also its name in all that is kept. */
  url: string;
  /** Whether there is a session. The tokens themselves are in the keychain; the gateway may have ended it. */
  isSignedIn: boolean;
  /** Whether the last session ended without anybody asking for it here. */
  hasEnded: boolean;
  /** The address of whoever signed in last; empty when that is not known. */
  email: string;
}

interface Known {
  servers: Server[];
  /** The one that the app shows. */
  current: string | null;
}

const known = kept<Known>("servers", (stored) => {
  const { servers, current } = (stored ?? {}) as { servers?: unknown; current?: unknown };
  const right = (Array.isArray(servers) ? (servers as Partial<Server>[]) : []).filter((server) => typeof server?.url === "string" && URL.canParse(server.url));
  const read = right.map(({ url = "", isSignedIn, hasEnded, email }) => ({ url, isSignedIn: isSignedIn === true, hasEnded: hasEnded === true, email: typeof email === "string" ? email : "" }));
  return { servers: read, current: read.find(({ url }) => url === current)?.url ?? read[0]?.url ?? null };
});

export const useServers = (): Server[] => known.use().servers;
export const listServers = (): Server[] => known.get().servers;

const currentOf = ({ servers, current }: Known): Server | null => servers.find(({ url }) => url === current) ?? null;
export const useCurrentServer = (): Server | null => currentOf(known.use());
export const currentServer = (): Server | null => currentOf(known.get());

/** Adds a server, or only turns to it where it is known. */
export function addServer(url: string): void {
  const { servers } = known.get();
  const isNew = !servers.some((server) => server.url === url);
  known.set({ servers: isNew ? [...servers, { url, isSignedIn: false, hasEnded: false, email: "" }] : servers, current: url });
}

export function chooseServer(url: string): void {
  const now = known.get();
  if (now.current !== url && now.servers.some((server) => server.url === url)) known.set({ ...now, current: url });
}

export function changeServer(url: string, change: Partial<Omit<Server, "url">>): void {
  const now = known.get();
  known.set({ ...now, servers: now.servers.map((server) => (server.url === url ? { ...server, ...change } : server)) });
}

/** Forgets a server; whatever is kept of it must be wiped before. */
export function dropServer(url: string): void {
  const now = known.get();
  const servers = now.servers.filter((server) => server.url !== url);
  known.set({ servers, current: now.current === url ? (servers[0]?.url ?? null) : now.current });
}
