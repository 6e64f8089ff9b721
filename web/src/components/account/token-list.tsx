"use client";

import type { ApiToken } from "@codex-remote/sdk";
import { ago, moment } from "@codex-remote/view";
import type { ReactNode } from "react";

import { useTokenActions, useTokens } from "@/lib/admin-queries";
import { t } from "@/strings";
import { ConfirmDialog, useModal } from "../ui/modal";
import { Problem } from "../ui/notice";
import { Skeleton } from "../ui/skeleton";
import { Tag } from "../ui/tag";

/** One's own tokens, or, for administrators, those of somebody. */
export function TokenList({ userId, nothing }: { userId?: string; nothing: ReactNode }) {
  const query = useTokens(userId);
  const { revoke } = useTokenActions();
  const { asked, open } = useModal<ApiToken>();
  const tokens = query.data ?? [];
  return (
    <>
      {query.error && <Problem title={t.tokens.failed} error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton rows={2} />}
      {query.data && tokens.length === 0 && nothing}
      {tokens.length > 0 && (
        <ul className="card divide-y divide-line">
          {tokens.map((token) => (
            <li key={token.id} className="flex items-center gap-3 px-4 py-3">
              <div className="grid min-w-0 flex-1 grid-cols-[minmax(0,1fr)] gap-1">
                <span className="truncate font-medium">{token.name}</span>
                <span className="flex flex-wrap gap-1">
                  {token.expired && <Tag tone="bad">{t.tokens.expired}</Tag>}
                  {token.scopes.map((scope) => (
                    <Tag key={scope}>{scope}</Tag>
                  ))}
                </span>
                <span className="text-sm text-soft">
                  {[t.tokens.until(moment(token.expires_at)), token.last_used_at ? t.tokens.used(ago(token.last_used_at)) : t.tokens.unused].join(" · ")}
                </span>
              </div>
              <button className="button button-danger" type="button" aria-label={t.tokens.revokeOf(token.name)} onClick={() => open(token)}>
                {t.tokens.revoke}
              </button>
            </li>
          ))}
        </ul>
      )}
      {asked && (
        <ConfirmDialog
          key={asked.key}
          {...asked.props}
          title={t.tokens.revokeTitle(asked.what.name)}
          text={t.tokens.revokeText}
          action={t.tokens.revoke}
          run={() => revoke(asked.what.id)}
        />
      )}
    </>
  );
}
