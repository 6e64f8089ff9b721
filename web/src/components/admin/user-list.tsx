"use client";

import type { User } from "@codex-remote/sdk";
import { ago, count, moment } from "@codex-remote/view";
import { useDeferredValue, useState } from "react";

import { flatUsers, useMe, useUsers } from "@/lib/admin-queries";
import { t } from "@/strings";
import { More } from "../ui/more";
import { useModal } from "../ui/modal";
import { Notice, Problem } from "../ui/notice";
import { Skeleton } from "../ui/skeleton";
import { Tag } from "../ui/tag";
import { AddUser } from "./add-user";
import { type UserAct, UserDialog } from "./user-dialogs";
import { UserMenu } from "./user-menu";

export function UserList() {
  const [q, setQ] = useState("");
  const query = useUsers(useDeferredValue(q));
  const me = useMe();
  const users = flatUsers(query.data);
  const last = query.data?.pages.at(-1);
  const adding = useModal<null>();
  const acting = useModal<{ user: User; act: UserAct }>();
  return (
    <section aria-labelledby="users-title">
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <h2 id="users-title" className="mr-auto text-lg font-semibold">
          {t.admin.users} {last && <span className="text-sm font-normal text-soft">{t.users.total(count(users.length), count(Math.max(last.total, users.length)))}</span>}
        </h2>
        <input
          className="field sm:w-64"
          type="search"
          aria-label={t.users.search}
          placeholder={t.users.searchHint}
          value={q}
          onChange={(event) => setQ(event.target.value)}
        />
        <button className="button button-primary" type="button" onClick={() => adding.open(null)}>
          {t.users.add}
        </button>
      </div>
      {query.error && <Problem title={t.users.failed} error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton />}
      {query.data && users.length === 0 && (
        <Notice title={t.users.nothing} text={t.users.nothingText}>
          <button className="button" type="button" onClick={() => setQ("")}>
            {t.users.clear}
          </button>
        </Notice>
      )}
      {users.length > 0 && (
        <ul className="card divide-y divide-line">
          {users.map((user) => (
            <Entry key={user.id} user={user} isMe={user.id === me.data?.id} onAct={(act) => acting.open({ user, act })} />
          ))}
        </ul>
      )}
      {query.hasNextPage && <More key={users.length} onSeen={() => void query.fetchNextPage()} />}
      {adding.asked && <AddUser key={adding.asked.key} {...adding.asked.props} />}
      {acting.asked && (
        <UserDialog key={acting.asked.key} user={acting.asked.what.user} act={acting.asked.what.act} isMe={acting.asked.what.user.id === me.data?.id} {...acting.asked.props} />
      )}
    </section>
  );
}

function Entry({ user, isMe, onAct }: { user: User; isMe: boolean; onAct: (act: UserAct) => void }) {
  return (
    <li className="flex items-center gap-3 px-4 py-3">
      <div className="grid min-w-0 flex-1 grid-cols-[minmax(0,1fr)] gap-1">
        <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <span className="max-w-full truncate font-medium" title={user.email}>
            {user.email}
          </span>
          {isMe && <Tag>{t.users.you}</Tag>}
          {user.role === "admin" && <Tag tone="busy">{t.account.roles.admin}</Tag>}
          {user.disabled && <Tag tone="bad">{t.users.disabled}</Tag>}
          {!user.has_password && <Tag>{t.users.noPassword}</Tag>}
        </span>
        <span className="text-sm text-soft">
          {user.last_login_at ? (
            <time dateTime={user.last_login_at} title={moment(user.last_login_at)}>
              {t.users.lastLogin(ago(user.last_login_at))}
            </time>
          ) : (
            t.users.neverLogin
          )}
        </span>
      </div>
      <UserMenu user={user} isMe={isMe} onAct={onAct} />
    </li>
  );
}
