"use client";

import { useSearchParams } from "next/navigation";

import { useAudit } from "@/lib/admin-queries";
import { type AuditForm, emptyForm, filterOf, formOf, searchOf } from "@/lib/audit-filter";
import { t } from "@/strings";
import { More } from "../ui/more";
import { Notice, Problem } from "../ui/notice";
import { Skeleton } from "../ui/skeleton";
import { AuditEntryRow } from "./audit-entry";
import { AuditExport } from "./audit-export";
import { AuditFilters } from "./audit-filters";

/** The record, newest first. The filter stands in the address, so that a link or a reload shows the same. */
export function AuditLog() {
  const form = formOf(useSearchParams());
  const filter = filterOf(form);
  const query = useAudit(filter);
  const entries = query.data?.pages.flatMap((page) => page.entries) ?? [];
  const apply = (next: AuditForm) => history.replaceState(null, "", `${location.pathname}${searchOf(next)}`);
  return (
    <section aria-labelledby="audit-title" className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <div className="flex flex-wrap items-start gap-3">
        <div className="mr-auto">
          <h2 id="audit-title" className="text-lg font-semibold">
            {t.admin.audit}
          </h2>
          <p className="text-sm text-soft">{t.audit.text}</p>
        </div>
        <button className="button" type="button" onClick={() => void query.refetch()} disabled={query.isRefetching}>
          {t.audit.refresh}
        </button>
        <AuditExport filter={filter} />
      </div>
      <AuditFilters key={searchOf(form)} form={form} onApply={apply} />
      {query.error && <Problem title={t.audit.failed} error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton />}
      {query.data && entries.length === 0 && (
        <Notice title={t.audit.empty} text={t.audit.emptyText}>
          <button className="button" type="button" onClick={() => apply(emptyForm)}>
            {t.audit.clear}
          </button>
        </Notice>
      )}
      {entries.length > 0 && (
        <ul className="card divide-y divide-line">
          {entries.map((entry) => (
            <AuditEntryRow key={entry.id} entry={entry} />
          ))}
        </ul>
      )}
      {query.hasNextPage && <More key={entries.length} onSeen={() => void query.fetchNextPage()} />}
      {entries.length > 0 && !query.hasNextPage && <p className="text-center text-sm text-soft">{t.audit.end}</p>}
    </section>
  );
}
