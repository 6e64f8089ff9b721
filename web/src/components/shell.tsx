"use client";

import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import clsx from "clsx";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";

import { hasSession, onSessionChange, signOut } from "@/lib/client";
import { newQueryClient } from "@/lib/queries";
import { useOnline } from "@/lib/use-online";
import { t } from "@/strings";
import { SignIn } from "./sign-in";

/** What stands around every page: providers, sign-in, the bar at the top. */
export function Shell({ children }: { children: ReactNode }) {
  const [queries] = useState(newQueryClient);
  // The exported page does not know whether there is a session, so it shows neither until the browser has looked.
  const isSignedIn = useSyncExternalStore<boolean | null>(onSessionChange, hasSession, () => null);
  useEffect(() => {
    // Nothing of one user may be left for the next one.
    if (isSignedIn === false) queries.clear();
  }, [isSignedIn, queries]);
  return (
    // The page's policy forbids style elements that scripts make.
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queries}>
        {isSignedIn === false && <SignIn />}
        {isSignedIn !== false && (
          <div className="flex min-h-dvh flex-col">
            <Bar />
            <main id="content" className="flex min-h-0 flex-1 flex-col" tabIndex={-1}>
              {isSignedIn ? children : <p className="sr-only">{t.loading}</p>}
            </main>
          </div>
        )}
      </QueryClientProvider>
    </CSPProvider>
  );
}

function Bar() {
  const isOnline = useOnline();
  return (
    <header className="sticky top-0 z-10 bg-raised shadow-[inset_0_-1px_var(--line)]">
      <a className="sr-only focus:not-sr-only focus:absolute focus:m-2" href="#content">
        {t.skip}
      </a>
      <div className="mx-auto flex h-12 w-full max-w-6xl items-center gap-1 px-4">
        <Link href="/" className="mr-auto py-1 font-semibold whitespace-nowrap">
          {t.app}
        </Link>
        <nav aria-label={t.nav.main} className="flex items-center gap-1">
          <Tab href="/">{t.nav.tasks}</Tab>
          <Tab href="/settings/">{t.nav.settings}</Tab>
        </nav>
        <button className="button button-quiet max-sm:px-2" type="button" onClick={() => void signOut()}>
          {t.nav.signOut}
        </button>
      </div>
      {!isOnline && (
        <p role="status" className="bg-warn-ground px-4 py-1 text-center text-sm text-warn">
          {t.problem.offline}
        </p>
      )}
    </header>
  );
}

function Tab({ href, children }: { href: string; children: ReactNode }) {
  const isHere = usePathname() === href;
  return (
    <Link href={href} aria-current={isHere ? "page" : undefined} className={clsx("button button-quiet max-sm:px-2", isHere && "bg-sunken")}>
      {children}
    </Link>
  );
}
