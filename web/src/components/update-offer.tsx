"use client";

import { useNewVersion } from "@/lib/offline/version";
import { t } from "@/strings";

/** Offers the version that the gateway has by now. Nothing is lost by taking it: drafts and places stand in the tab and in the address. */
export function UpdateOffer() {
  if (!useNewVersion()) return null;
  return (
    <div role="status" className="flex flex-wrap items-center justify-center gap-x-3 bg-busy-ground px-4 py-1 text-sm text-busy">
      {t.update.offer}
      <button className="font-semibold underline" type="button" onClick={() => location.reload()}>
        {t.update.take}
      </button>
    </div>
  );
}
