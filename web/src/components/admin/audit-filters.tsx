"use client";

import clsx from "clsx";
import { type SubmitEvent, useId, useState } from "react";

import { type AuditForm, emptyForm, formOf } from "@/lib/audit-filter";
import { t } from "@/strings";

/** The form counts when it is submitted: half an address matches nothing. On a phone it is folded away, because it would fill the screen. */
export function AuditFilters({ form, onApply }: { form: AuditForm; onApply: (form: AuditForm) => void }) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const used = Object.values(form).filter(Boolean).length;
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    onApply(formOf({ get: (name) => data.get(name) as string | null }));
  };
  return (
    <div>
      <button className="button sm:hidden" type="button" aria-expanded={isOpen} aria-controls={id} onClick={() => setOpen(!isOpen)}>
        {t.audit.filter(used)}
      </button>
      <form id={id} className={clsx("card gap-3 p-4 max-sm:mt-3 sm:grid sm:grid-cols-2 lg:grid-cols-3", isOpen ? "grid" : "hidden")} onSubmit={submit} role="search">
        <label>
          <span className="label">{t.audit.actor}</span>
          <input className="field" name="actor" defaultValue={form.actor} placeholder={t.audit.actorHint} autoComplete="off" autoCapitalize="off" spellCheck={false} />
        </label>
        <label>
          <span className="label">{t.audit.action}</span>
          <select className="field" name="action" defaultValue={form.action}>
            <option value="">{t.audit.anyAction}</option>
            {Object.entries(t.audit.actions).map(([action, name]) => (
              <option key={action} value={action}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="label">{t.audit.target}</span>
          <input className="field" name="target" defaultValue={form.target} placeholder={t.audit.targetHint} autoComplete="off" autoCapitalize="off" spellCheck={false} />
        </label>
        <label>
          <span className="label">{t.audit.credential}</span>
          <input className="field" name="credential" defaultValue={form.credential} placeholder={t.audit.credentialHint} autoComplete="off" autoCapitalize="off" spellCheck={false} />
        </label>
        <label>
          <span className="label">{t.audit.from}</span>
          <input className="field" name="from" type="datetime-local" defaultValue={form.from} />
        </label>
        <label>
          <span className="label">{t.audit.to}</span>
          <input className="field" name="to" type="datetime-local" defaultValue={form.to} />
        </label>
        <div className="flex items-end gap-2">
          <button className="button button-primary" type="submit">
            {t.audit.apply}
          </button>
          <button className="button" type="button" onClick={() => onApply(emptyForm)}>
            {t.audit.clear}
          </button>
        </div>
      </form>
    </div>
  );
}
