"use client";

import { Menu } from "@base-ui/react/menu";
import type { User } from "@codex-remote/sdk";
import clsx from "clsx";
import Link from "next/link";

import { t } from "@/strings";
import type { UserAct } from "./user-dialogs";

const ITEM = "flex min-h-9 items-center rounded px-3 text-sm outline-none data-[highlighted]:bg-sunken";

/** What can be done with somebody. Nobody is offered to shut themselves out. */
export function UserMenu({ user, isMe, onAct }: { user: User; isMe: boolean; onAct: (act: UserAct) => void }) {
  const item = (act: UserAct, name: string, isDanger = false) => (
    <Menu.Item className={clsx(ITEM, isDanger && "text-bad")} onClick={() => onAct(act)}>
      {name}
    </Menu.Item>
  );
  return (
    <Menu.Root>
      <Menu.Trigger className="button px-2" aria-label={t.users.actions(user.email)}>
        <span aria-hidden>⋯</span>
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner className="z-20" align="end" sideOffset={4}>
          <Menu.Popup className="card min-w-52 p-1 shadow-xl">
            {user.role === "admin" ? item("make-user", t.users.makeUser) : item("make-admin", t.users.makeAdmin)}
            {item("password", t.users.setPassword)}
            {item("tokens", t.users.tokens)}
            <Menu.LinkItem className={ITEM} render={<Link href={`/?q=${encodeURIComponent(user.email)}`} />}>
              {t.users.tasks}
            </Menu.LinkItem>
            <Menu.LinkItem className={ITEM} render={<Link href={`/admin/audit/?actor=${encodeURIComponent(user.email)}`} />}>
              {t.users.audit}
            </Menu.LinkItem>
            {!isMe && (
              <>
                <Menu.Separator className="my-1 h-px bg-line" />
                {user.disabled ? item("enable", t.users.enable) : item("disable", t.users.disable, true)}
                {item("remove", t.users.remove, true)}
              </>
            )}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
