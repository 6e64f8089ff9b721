import { forgetComposer } from "@/composer/kept";
import { forgetHandedOver } from "@/live/hand-over";
import { forgetNotices } from "@/notices/watched";
import { wipeShelf } from "@/offline";
import { forgetQueries } from "@/queries";

/** Removes everything that is kept of a server but its address: whoever has signed out, or was signed out, leaves nothing behind. */
export async function wipe(url: string): Promise<void> {
  forgetQueries(url);
  forgetComposer(url);
  forgetHandedOver();
  await wipeShelf(url);
  await forgetNotices(url);
}
