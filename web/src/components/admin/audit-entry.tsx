import type { AuditEntry } from "@codex-remote/sdk";
import { moment } from "@codex-remote/view";
import Link from "next/link";

import { t } from "@/strings";

/** One line of the record; the words of an action that this client does not know are the gateway's. */
export function AuditEntryRow({ entry }: { entry: AuditEntry }) {
  const names: Record<string, string> = t.audit.actions;
  return (
    <li className="grid gap-x-4 gap-y-1 px-4 py-2.5 text-sm sm:grid-cols-[11rem_minmax(0,1fr)]">
      <time className="text-soft" dateTime={entry.at}>
        {moment(entry.at)}
      </time>
      <div className="grid gap-0.5">
        <p>
          <strong className="font-medium" title={entry.action}>
            {names[entry.action] ?? entry.action}
          </strong>{" "}
          <span className="text-soft">{t.audit.by}</span> {entry.actor}
        </p>
        <p className="text-soft">
          {entry.target && <Target target={entry.target} />}
          {entry.target && entry.ip && " · "}
          {entry.ip && `${t.audit.at} ${entry.ip}`}
          {entry.credential?.startsWith("api_token:") && ` · ${t.audit.withToken(entry.credential_name ?? entry.credential)}`}
        </p>
        {entry.request_id && <p className="font-mono text-xs text-soft">{t.audit.request(entry.request_id)}</p>}
      </div>
    </li>
  );
}

function Target({ target }: { target: string }) {
  const [kind = "", id = ""] = target.split(":", 2);
  const kinds: Record<string, string> = t.audit.targets;
  const name = `${kinds[kind] ?? kind} ${id}`;
  return (
    <>
      {t.audit.on}{" "}
      {kind === "task" ? (
        <Link className="underline" href={`/task/?id=${encodeURIComponent(id)}`}>
          {name}
        </Link>
      ) : (
        name
      )}
    </>
  );
}
