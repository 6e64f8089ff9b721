import { type ServerShelf, Shelf } from "./shelf";
import { table } from "./table";

const shelf = new Shelf(table);
const open = new Map<string, ServerShelf>();

/** What this device keeps of a server, by the server's origin, for as long as somebody is signed in there. */
export function shelfFor(server: string): ServerShelf {
  let own = open.get(server);
  if (!own) {
    own = shelf.of(server);
    open.set(server, own);
  }
  return own;
}

/** Removes everything that was kept of a server. Whoever still holds its shelf can neither read nor write any more. */
export async function wipeShelf(server: string): Promise<void> {
  open.delete(server);
  await shelf.wipe(server);
}
