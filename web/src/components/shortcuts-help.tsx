"use client";

import dynamic from "next/dynamic";
import { useRouter } from "next/navigation";
import { useState } from "react";

import { focusSearch, useShortcuts } from "@/lib/shortcuts";
import { t } from "@/strings";

/** Dialogs are heavier than the first page, and few look at this one. */
const ShortcutsDialog = dynamic(() => import("./shortcuts-dialog").catch(() => ({ default: () => null })), { ssr: false });

/** The shortcuts that work everywhere, and the list of all. */
export function ShortcutsHelp() {
  const router = useRouter();
  const [isOpen, setOpen] = useState<boolean | null>(null);
  useShortcuts({
    "?": () => setOpen(true),
    "/": focusSearch,
    "g t": () => router.push("/"),
    "g s": () => router.push("/settings/"),
  });
  return (
    <>
      <button className="button button-quiet max-sm:hidden" type="button" aria-label={t.keys.title} aria-haspopup="dialog" title={t.keys.title} onClick={() => setOpen(true)}>
        <span aria-hidden>?</span>
      </button>
      {isOpen !== null && <ShortcutsDialog isOpen={isOpen} onOpenChange={setOpen} />}
    </>
  );
}
