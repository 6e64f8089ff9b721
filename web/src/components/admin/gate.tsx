"use client";

import clsx from "clsx";
import Link from "next/link";
import { usePathname } from "next/navigation";
import type { ReactNode } from "react";

import { useMe } from "@/lib/admin-queries";
import { t } from "@/strings";
import { Notice, Problem } from "../ui/notice";
import { Skeleton } from "../ui/skeleton";

const pages = [
  { href: "/admin/users/", name: t.admin.users },
  { href: "/admin/audit/", name: t.admin.audit },
];

/** Lets administrators through. The gateway refuses everybody else by itself; this says so before there is anything to refuse. */
export function AdminGate({ children }: { children: ReactNode }) {
  const me = useMe();
  const here = usePathname();
  if (me.data && me.data.role !== "admin") return <Forbidden email={me.data.email} />;
  return (
    <div className="mx-auto grid w-full max-w-4xl grid-cols-[minmax(0,1fr)] gap-4 px-4 py-6">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="text-xl font-semibold">{t.admin.title}</h1>
        <nav aria-label={t.admin.nav} className="flex gap-1">
          {pages.map(({ href, name }) => (
            <Link key={href} href={href} aria-current={href === here ? "page" : undefined} className={clsx("button button-quiet", href === here && "bg-sunken")}>
              {name}
            </Link>
          ))}
        </nav>
      </div>
      {me.error && !me.data && <Problem title={t.admin.meFailed} error={me.error} onRetry={() => void me.refetch()} />}
      {me.isPending && <Skeleton />}
      {me.data && children}
    </div>
  );
}

function Forbidden({ email }: { email: string }) {
  return (
    <Notice title={t.admin.forbidden} text={t.admin.forbiddenText(email)}>
      <Link className="button" href="/">
        {t.problem.back}
      </Link>
    </Notice>
  );
}
