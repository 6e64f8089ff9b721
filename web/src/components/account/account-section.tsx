"use client";

import { useState } from "react";

import { useMe } from "@/lib/admin-queries";
import { client } from "@/lib/client";
import { t } from "@/strings";
import { FormDialog, useModal } from "../ui/modal";
import { Problem } from "../ui/notice";

export function AccountSection() {
  const me = useMe();
  const changing = useModal<null>();
  const [isChanged, setChanged] = useState(false);
  const change = async (data: FormData) => {
    await client().changePassword(data.get("current") as string, data.get("next") as string);
    setChanged(true);
  };
  return (
    <section className="grid gap-3" aria-labelledby="account-title">
      <h2 id="account-title" className="text-lg font-semibold">
        {t.account.title}
      </h2>
      {me.error && !me.data && <Problem title={t.account.failed} error={me.error} onRetry={() => void me.refetch()} />}
      {me.data && (
        <div className="flex flex-wrap items-center gap-3">
          <p className="mr-auto">
            {t.account.signedInAs} <strong>{me.data.email}</strong> <span className="text-soft">({t.account.roles[me.data.role]})</span>
          </p>
          {me.data.has_password && (
            <button className="button" type="button" onClick={() => changing.open(null)}>
              {t.account.changePassword}
            </button>
          )}
        </div>
      )}
      {me.data && !me.data.has_password && <p className="text-sm text-soft">{t.account.viaProvider}</p>}
      <p className="text-sm text-good" role="status">
        {isChanged && t.account.changed}
      </p>
      {changing.asked && (
        <FormDialog key={changing.asked.key} {...changing.asked.props} title={t.account.changePassword} text={t.account.changeText} action={t.account.change} run={change}>
          <label>
            <span className="label">{t.account.current}</span>
            <input className="field" name="current" type="password" autoComplete="current-password" required />
          </label>
          <label>
            <span className="label">{t.account.next}</span>
            <input className="field" name="next" type="password" autoComplete="new-password" required minLength={8} maxLength={1024} />
            <span className="mt-1 block text-sm text-soft">{t.account.nextHint}</span>
          </label>
        </FormDialog>
      )}
    </section>
  );
}
