"use client";

import type { AuditFilter } from "@codex-remote/sdk";
import { count } from "@codex-remote/view";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { client } from "@/lib/client";
import { download } from "@/lib/download";
import { t } from "@/strings";
import { Problem } from "../ui/notice";

/** How many entries come between two updates of the number on the screen. */
const STEP = 500;

/** Everything that the filter lets through, as a file. One that breaks off on the way is none. */
export function AuditExport({ filter }: { filter: AuditFilter }) {
  const [entries, setEntries] = useState(0);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const run = useMutation({
    mutationFn: async () => {
      const { signal } = (stop.current = new AbortController());
      setEntries(0);
      const lines: string[] = [];
      try {
        for await (const entry of client().audit.export(filter, { signal })) {
          lines.push(`${JSON.stringify(entry)}\n`);
          if (lines.length % STEP === 0) setEntries(lines.length);
        }
      } catch (error) {
        if (signal.aborted) return false;
        throw error;
      }
      setEntries(lines.length);
      download(lines.join(""), "audit.ndjson", "application/x-ndjson");
      return true;
    },
    networkMode: "always",
  });
  return (
    <>
      {run.isPending ? (
        <button className="button" type="button" onClick={() => stop.current?.abort()}>
          {t.audit.stop}
        </button>
      ) : (
        <button className="button" type="button" onClick={() => run.mutate()}>
          {t.audit.export}
        </button>
      )}
      {run.error && (
        <div className="w-full">
          <Problem title={t.audit.exportFailed} error={run.error} />
        </div>
      )}
      <p className="w-full text-right text-sm text-soft empty:hidden" role="status">
        {run.isPending && t.audit.exporting(count(entries))}
        {run.data && t.audit.exported(count(entries))}
      </p>
    </>
  );
}
