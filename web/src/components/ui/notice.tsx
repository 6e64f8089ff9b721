import { APIError } from "@codex-remote/sdk";
import clsx from "clsx";
import type { ReactNode } from "react";

import { t } from "@/strings";

/** Says why there is nothing to see, and what to do about it. */
export function Notice({ title, text, tone, children }: { title: string; text?: string; tone?: "bad"; children?: ReactNode }) {
  return (
    <div className="grid justify-items-center gap-3 px-4 py-12 text-center" role={tone === "bad" ? "alert" : undefined}>
      <h2 className={clsx("text-lg font-semibold", tone === "bad" && "text-bad")}>{title}</h2>
      {text && <p className="max-w-prose text-soft">{text}</p>}
      {children}
    </div>
  );
}

/** What went wrong, in the gateway's words, with the id that its log knows. */
export function Problem({ error, title, onRetry }: { error: Error; title?: string; onRetry?: () => void }) {
  return (
    <div className="rounded-md border border-bad bg-bad-ground px-4 py-3 text-sm" role="alert">
      {title && <p className="font-semibold text-bad">{title}</p>}
      <p>{error.message}</p>
      {error instanceof APIError && error.requestId && <p className="mt-1 font-mono text-xs text-soft">{t.problem.requestId(error.requestId)}</p>}
      {onRetry && (
        <button className="button mt-2" type="button" onClick={onRetry}>
          {t.retry}
        </button>
      )}
    </div>
  );
}
