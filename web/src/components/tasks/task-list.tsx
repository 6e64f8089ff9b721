"use client";

import type { Task, TaskState } from "@codex-remote/sdk";
import { ago, count, firstLine, moment } from "@codex-remote/view";
import Link from "next/link";
import { useSearchParams } from "next/navigation";
import { useDeferredValue, useRef, useState } from "react";

import { type Filter, flat, useTasks } from "@/lib/queries";
import { EVERY_TASK } from "@/lib/notices/announce";
import { useLooking } from "@/lib/notices/use-notices";
import { isAway, useSavedCopy } from "@/lib/offline/use-saved-copy";
import { useShortcuts } from "@/lib/shortcuts";
import { t } from "@/strings";
import { More } from "../ui/more";
import { Notice, Problem } from "../ui/notice";
import { SavedCopy } from "../ui/saved-copy";
import { Skeleton } from "../ui/skeleton";
import { StateBadge } from "../ui/state-badge";

const none: Filter = { status: "", q: "" };

export function TaskList() {
  // A link may bring words to search for, for example somebody's address.
  const [filter, setFilter] = useState<Filter>({ ...none, q: useSearchParams().get("q") ?? "" });
  const typed = useDeferredValue(filter);
  const query = useTasks(typed);
  const tasks = flat(query.data?.pages);
  const last = query.data?.pages.at(-1);
  const savedAt = useSavedCopy(query);
  useLooking(EVERY_TASK);
  const entries = useRef<HTMLUListElement>(null);
  useShortcuts({ j: () => focusEntry(entries.current, 1), k: () => focusEntry(entries.current, -1), n: focusPrompt });
  const isFiltered = filter.status !== "" || filter.q !== "";
  return (
    <section aria-labelledby="tasks-title">
      <div className="mb-3 flex flex-wrap items-center gap-3">
        <h2 id="tasks-title" className="mr-auto text-lg font-semibold">
          {t.list.title} {last && <span className="text-sm font-normal text-soft">{t.list.total(count(tasks.length), count(Math.max(last.total, tasks.length)), Boolean(last.total_is_more))}</span>}
        </h2>
        <input
          className="field sm:w-64"
          type="search"
          aria-label={t.list.search}
          placeholder={t.list.searchHint}
          value={filter.q}
          onChange={(event) => setFilter({ ...filter, q: event.target.value })}
        />
        <select
          className="field w-full sm:w-auto"
          aria-label={t.list.state}
          value={filter.status}
          onChange={(event) => setFilter({ ...filter, status: event.target.value as TaskState | "" })}
        >
          <option value="">{t.list.all}</option>
          {Object.entries(t.states).map(([state, name]) => (
            <option key={state} value={state}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {savedAt !== null && (
        <div className="mb-3">
          <SavedCopy at={savedAt} />
        </div>
      )}
      {query.error && !(query.data && isAway(query.error)) && <Problem title={t.list.failed} error={query.error} onRetry={() => void query.refetch()} />}
      {query.isPending && <Skeleton />}
      {query.data && tasks.length === 0 && !isFiltered && <Notice title={t.list.empty} text={t.list.emptyText} />}
      {query.data && tasks.length === 0 && isFiltered && (
        <Notice title={t.list.nothing} text={t.list.nothingText}>
          <button className="button" type="button" onClick={() => setFilter(none)}>
            {t.list.clear}
          </button>
        </Notice>
      )}
      {tasks.length > 0 && (
        <ul ref={entries} className="card divide-y divide-line">
          {tasks.map((task) => (
            <Entry key={task.task_id} task={task} />
          ))}
        </ul>
      )}
      {query.hasNextPage && <More key={tasks.length} onSeen={() => void query.fetchNextPage()} />}
    </section>
  );
}

/** Moves on from the entry that has the focus, or begins with the first one. */
function focusEntry(list: HTMLUListElement | null, step: 1 | -1): void {
  const links = [...(list?.querySelectorAll("a") ?? [])];
  const at = links.findIndex((link) => link === document.activeElement);
  links[at < 0 ? 0 : at + step]?.focus();
}

const focusPrompt = () => document.querySelector<HTMLTextAreaElement>("main form textarea")?.focus();

function Entry({ task }: { task: Task }) {
  return (
    <li>
      <Link href={`/task/?id=${task.task_id}`} className="grid grid-cols-[1fr_auto] items-center gap-x-3 gap-y-1 px-4 py-3 hover:bg-sunken">
        <span className="truncate font-medium">{firstLine(task.prompt)}</span>
        <span className="justify-self-end">
          <StateBadge state={task.status} />
        </span>
        <span className="truncate text-sm text-soft">
          {[task.repository, task.status === "error" ? (task.reason ?? task.message) : null, task.owner].filter(Boolean).join(" · ")}
        </span>
        <time className="justify-self-end text-sm whitespace-nowrap text-soft" dateTime={task.created_at} title={moment(task.created_at)}>
          {ago(task.created_at)}
        </time>
      </Link>
    </li>
  );
}
