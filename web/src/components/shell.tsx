"use client";

import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import clsx from "clsx";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { Fragment, type ReactNode, useState, useSyncExternalStore } from "react";

import { useMe } from "@/lib/admin-queries";
import { onSessionChange, sessionOwner, signOut } from "@/lib/client";
import { useNotices } from "@/lib/notices/use-notices";
import { useShelf } from "@/lib/offline/use-shelf";
import { useServiceWorker } from "@/lib/offline/version";
import { newQueryClient } from "@/lib/queries";
import { useArrival } from "@/lib/sso";
import { useOnline } from "@/lib/use-online";
import { t } from "@/strings";
import { ShortcutsHelp } from "./shortcuts-help";
import { SignIn } from "./sign-in";
import { UpdateOffer } from "./update-offer";

/** What stands around every page: providers, sign-in, the bar at the top. */
export function Shell({ children }: { children: ReactNode }) {
  const [queries] = useState(newQueryClient);
  // The exported page does not know who is signed in, so it shows neither until the browser has looked.
  const owner = useSyncExternalStore<string | null | undefined>(onSessionChange, sessionOwner, () => undefined);
  const isReady = useShelf(queries, owner);
  useNotices(owner);
  useServiceWorker();
  // Also where another tab has signed in meanwhile: the answer of the provider must not stay in the address.
  useArrival();
  return (
    // The page's policy forbids style elements that scripts make.
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queries}>
        {owner === null && (
          <>
            <UpdateOffer />
            <SignIn />
          </>
        )}
        {owner !== null && (
          <div className="flex min-h-dvh flex-col">
            <Bar key={owner} isSignedIn={owner !== undefined} />
            <main id="content" className="flex min-h-0 flex-1 flex-col" tabIndex={-1}>
              {isReady ? <Fragment key={owner}>{children}</Fragment> : <p className="sr-only">{t.loading}</p>}
            </main>
          </div>
        )}
      </QueryClientProvider>
    </CSPProvider>
  );
}

function Bar({ isSignedIn }: { isSignedIn: boolean }) {
  const isOnline = useOnline();
  const isAdmin = useMe(isSignedIn).data?.role === "admin";
  return (
    <header className="sticky top-0 z-10 bg-raised shadow-[inset_0_-1px_var(--line)]">
      <a className="sr-only focus:not-sr-only focus:absolute focus:m-2" href="#content">
        {t.skip}
      </a>
      <div className="mx-auto flex h-12 w-full max-w-6xl items-center gap-1 px-4 max-sm:px-2">
        <Link href="/" className="mr-auto py-1 font-semibold whitespace-nowrap" aria-label={t.app}>
          <span className="max-sm:hidden">{t.app}</span>
          <span className="sm:hidden">{t.appShort}</span>
        </Link>
        <nav aria-label={t.nav.main} className="flex items-center gap-1">
          <Tab href="/">{t.nav.tasks}</Tab>
          {isAdmin && <Tab href="/admin/">{t.nav.admin}</Tab>}
          <Tab href="/settings/">{t.nav.settings}</Tab>
        </nav>
        <ShortcutsHelp />
        <button className="button button-quiet max-sm:px-2" type="button" onClick={() => void signOut()}>
          {t.nav.signOut}
        </button>
      </div>
      <UpdateOffer />
      {!isOnline && (
        <p role="status" className="bg-warn-ground px-4 py-1 text-center text-sm text-warn">
          {t.problem.offline}
        </p>
      )}
    </header>
  );
}

function Tab({ href, children }: { href: string; children: ReactNode }) {
  const path = usePathname();
  const isHere = href === "/" ? path === href : path.startsWith(href);
  return (
    <Link href={href} aria-current={isHere ? "page" : undefined} className={clsx("button button-quiet max-sm:px-2", isHere && "bg-sunken")}>
      {children}
    </Link>
  );
}
