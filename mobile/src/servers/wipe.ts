import { forgetComposer } from "@/composer/kept";
import { forgetNotices } from "@/notices/watched";
import { forgetQueries } from "@/queries";

/** Removes everything that is kept of a server but its address: whoever has signed out, or was signed out, leaves nothing behind. */
export async function wipe(url: string): Promise<void> {
  forgetQueries(url);
  forgetComposer(url);
  await forgetNotices(url);
}
