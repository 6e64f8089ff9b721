"use client";

import type { User, UserChange } from "@codex-remote/sdk";
import Link from "next/link";

import { useUserActions, useUserDetails } from "@/lib/admin-queries";
import { t } from "@/strings";
import { TokenList } from "../account/token-list";
import { ConfirmDialog, FormDialog, Modal } from "../ui/modal";
import { NewPasswordField } from "../ui/password-field";

/** What an administrator does with somebody. */
export type UserAct = "make-admin" | "make-user" | "password" | "tokens" | "disable" | "enable" | "remove";

interface Props {
  user: User;
  isMe: boolean;
  isOpen: boolean;
  onClose: () => void;
}

/** The dialog for an act. Each says what becomes of sessions, tokens and tasks before it does anything. */
export function UserDialog({ act, user, isMe, ...modal }: Props & { act: UserAct }) {
  const { update, remove } = useUserActions();
  const { id, email } = user;
  const change = (what: UserChange) => () => update(id, what);
  switch (act) {
    case "make-admin":
      return <ConfirmDialog {...modal} title={t.users.adminTitle(email)} text={t.users.adminText} action={t.users.adminDo} isDanger={false} run={change({ role: "admin" })} />;
    case "make-user":
      return <ConfirmDialog {...modal} title={t.users.userTitle(email)} text={isMe ? `${t.users.userText} ${t.users.userSelf}` : t.users.userText} action={t.users.userDo} run={change({ role: "user" })} />;
    case "enable":
      return <ConfirmDialog {...modal} title={t.users.enableTitle(email)} text={t.users.enableText} action={t.users.enableDo} isDanger={false} run={change({ disabled: false })} />;
    case "disable":
      return (
        <ConfirmDialog {...modal} title={t.users.disableTitle(email)} text={t.users.disableText} action={t.users.disableDo} run={change({ disabled: true })}>
          <OpenTasks user={user} say={t.users.openTasks} />
        </ConfirmDialog>
      );
    case "remove":
      return (
        <ConfirmDialog {...modal} title={t.users.removeTitle(email)} text={t.users.removeText} action={t.users.removeDo} run={() => remove(id)}>
          <OpenTasks user={user} say={(tasks) => (tasks === 0 ? t.users.openTasks(0) : t.users.openTasksBlock(tasks))} />
        </ConfirmDialog>
      );
    case "password":
      return (
        <FormDialog {...modal} title={t.users.passwordTitle(email)} text={t.users.passwordText} action={t.users.passwordDo} run={(data) => update(id, { password: data.get("password") as string })}>
          <NewPasswordField isRequired hint={t.users.passwordHint} />
        </FormDialog>
      );
    case "tokens":
      return (
        <Modal {...modal} title={t.users.tokensTitle(email)}>
          <TokenList userId={id} nothing={<p className="text-sm text-soft">{t.users.noTokens}</p>} />
          <button className="button justify-self-end" type="button" onClick={modal.onClose}>
            {t.close}
          </button>
        </Modal>
      );
  }
}

/** How many tasks go on without them, read when the dialog opens. Nothing is said until that is known. */
function OpenTasks({ user, say }: { user: User; say: (tasks: number) => string }) {
  const details = useUserDetails(user.id);
  const tasks = details.data?.open_tasks;
  return (
    <p className="text-sm" role="status">
      {tasks === undefined ? t.loading : say(tasks)}{" "}
      {Boolean(tasks) && (
        <Link className="underline" href={`/?q=${encodeURIComponent(user.email)}`}>
          {t.users.showTasks}
        </Link>
      )}
    </p>
  );
}
