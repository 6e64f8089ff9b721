/** Where links lead: those of the app itself (`codex://`), those of a gateway (`https://`), and what other apps share. */

/** The address inside of the app of a task of a server, which may be another one than the one that is shown. */
export const taskLink = (server: string, id: string): string => `/open?server=${encodeURIComponent(server)}&task=${encodeURIComponent(id)}`;

/** Tasks have UUIDs; nothing else may get into a path. */
export const isTaskId = (id: string | null | undefined): id is string => /^[0-9a-f-]{8,64}$/i.test(id ?? "");

/** Whether an address is where a sign-in at an identity provider comes back to. */
export const isReturn = (address: string): boolean => /^codex:\/\/signed-in(?=[/?#]|$)/i.test(address);

/** The route that an address of the system leads to; `null` stays where the app is. */
export function routeOf(address: string): string | null {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^?#]*)(?:\?([^#]*))?/i.exec(address);
  // A path of the app, which needs nothing.
  if (!match) return address;
  const [, scheme = "", rest = "", text = ""] = match;
  const query = new URLSearchParams(text);
  const parts = rest.split("/").filter(Boolean);
  if (scheme.toLowerCase() === "https") return ofGateway(parts, query);
  // Development builds of Expo have addresses of their own.
  if (scheme.toLowerCase() !== "codex") return address;
  return ofApp(parts, query);
}

function ofApp([first, second]: string[], query: URLSearchParams): string | null {
  switch (first) {
    case undefined:
      return "/";
    case "task":
      if (!isTaskId(second)) return "/open";
      return query.get("server") ? taskLink(query.get("server") ?? "", second) : `/task/${second}`;
    case "new":
      return query.get("prompt") ? `/new?prompt=${encodeURIComponent(query.get("prompt") ?? "")}` : "/new";
    case "settings":
      return "/settings";
    // Text from another app waits in the share extension.
    case "expo-sharing":
      return "/new?shared=1";
    // What it brings is for the sign-in, and leads nowhere.
    case "signed-in":
      return null;
    default:
      return "/open";
  }
}

/** Links of the web client: `https://codex.example.com/task/?id=...`. */
function ofGateway([host = "", first, second]: string[], query: URLSearchParams): string {
  const id = second ?? query.get("id");
  return first === "task" && isTaskId(id) ? taskLink(`https://${host}`, id) : "/open";
}
