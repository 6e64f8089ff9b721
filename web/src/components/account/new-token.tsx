"use client";

import type { TokenScope } from "@codex-remote/sdk";
import { type SubmitEvent, useId, useState } from "react";

import { useMe, useTokenActions } from "@/lib/admin-queries";
import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";
import { Modal } from "../ui/modal";
import { Problem } from "../ui/notice";

const SCOPES: TokenScope[] = ["tasks:read", "tasks:write", "admin"];
const DAYS = [7, 30, 90, 180, 366];
const USUAL_DAYS = 90;

/** Asks what the token is for, and then shows it: once, and in a dialog that no stray click closes. */
export function NewToken({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { create } = useTokenActions();
  const me = useMe();
  const [scopes, setScopes] = useState<TokenScope[]>(["tasks:read", "tasks:write"]);
  const [hasTried, setTried] = useState(false);
  const hintId = useId();
  if (create.data) {
    const { secret } = create.data;
    return (
      <Modal isOpen={isOpen} onClose={onClose} title={t.tokens.madeTitle} text={t.tokens.madeText} isAlert>
        <label>
          <span className="label">{t.tokens.secret}</span>
          <input className="field font-mono" value={secret} readOnly onFocus={(event) => event.target.select()} />
        </label>
        <div className="flex flex-wrap justify-end gap-2">
          <CopyButton text={() => secret} />
          <button className="button button-primary" type="button" onClick={onClose}>
            {t.tokens.done}
          </button>
        </div>
      </Modal>
    );
  }
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    setTried(true);
    if (scopes.length === 0 || create.isPending) return;
    const data = new FormData(event.currentTarget);
    create.mutate({ name: data.get("name") as string, scopes, expires_in_days: Number(data.get("days")) });
  };
  const toggle = (scope: TokenScope, isOn: boolean) => setScopes(SCOPES.filter((other) => (other === scope ? isOn : scopes.includes(other))));
  const offered = SCOPES.filter((scope) => scope !== "admin" || me.data?.role === "admin");
  return (
    <Modal isOpen={isOpen} onClose={onClose} title={t.tokens.createTitle}>
      <form className="grid gap-3" onSubmit={submit}>
        {create.error && <Problem error={create.error} />}
        <label>
          <span className="label">{t.tokens.name}</span>
          <input className="field" name="name" required maxLength={100} placeholder={t.tokens.nameHint} autoComplete="off" />
        </label>
        <fieldset className="grid gap-1" aria-describedby={hasTried && scopes.length === 0 ? hintId : undefined}>
          <legend className="label">{t.tokens.scopes}</legend>
          {offered.map((scope) => (
            <label key={scope} className="flex min-h-8 items-center gap-2 text-sm">
              <input className="size-4 accent-(--accent)" type="checkbox" checked={scopes.includes(scope)} onChange={(event) => toggle(scope, event.target.checked)} />
              <span>
                {t.tokens.scopeNames[scope]} <code className="text-soft">{scope}</code>
              </span>
            </label>
          ))}
          {hasTried && scopes.length === 0 && (
            <p id={hintId} className="text-sm text-bad" role="alert">
              {t.tokens.noScope}
            </p>
          )}
        </fieldset>
        <label>
          <span className="label">{t.tokens.expiry}</span>
          <select className="field" name="days" defaultValue={USUAL_DAYS}>
            {DAYS.map((days) => (
              <option key={days} value={days}>
                {t.tokens.days(days)}
              </option>
            ))}
          </select>
        </label>
        <div className="flex flex-wrap justify-end gap-2">
          <button className="button" type="button" onClick={onClose}>
            {t.cancel}
          </button>
          <button className="button button-primary" type="submit" disabled={create.isPending}>
            {create.isPending ? t.working : t.tokens.make}
          </button>
        </div>
      </form>
    </Modal>
  );
}
