"use client";

import type { Role } from "@codex-remote/sdk";

import { useUserActions } from "@/lib/admin-queries";
import { useSignInMethods } from "@/lib/sso";
import { t } from "@/strings";
import { FormDialog } from "../ui/modal";
import { NewPasswordField } from "../ui/password-field";

export function AddUser(props: { isOpen: boolean; onClose: () => void }) {
  const { create } = useUserActions();
  const hasProvider = Boolean(useSignInMethods()?.oidc);
  const run = (data: FormData) =>
    create({ email: text(data, "email"), password: text(data, "password") || undefined, role: text(data, "role") as Role });
  return (
    <FormDialog {...props} title={t.users.add} action={t.users.create} run={run}>
      <label>
        <span className="label">{t.users.email}</span>
        <input className="field" name="email" type="email" required maxLength={254} autoComplete="off" />
      </label>
      <NewPasswordField isRequired={!hasProvider} hint={hasProvider ? t.users.passwordOptional : t.users.passwordHint} />
      <label>
        <span className="label">{t.users.role}</span>
        <select className="field" name="role" defaultValue="user">
          <option value="user">{t.account.roles.user}</option>
          <option value="admin">{t.account.roles.admin}</option>
        </select>
      </label>
    </FormDialog>
  );
}

const text = (data: FormData, name: string): string => {
  const value = data.get(name);
  return typeof value === "string" ? value : "";
};
