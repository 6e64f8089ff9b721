"use client";

import { NotFoundError, type Task, isFinal } from "@codex-remote/sdk";
import { type LiveView, firstLine } from "@codex-remote/view";
import { Tabs } from "@base-ui/react/tabs";
import Link from "next/link";
import { useSearchParams } from "next/navigation";
import { useEffect } from "react";

import { useLiveTask } from "@/lib/live/use-live-task";
import { useTask } from "@/lib/queries";
import { announce } from "@/lib/notices/announce";
import { useLooking } from "@/lib/notices/use-notices";
import { watch } from "@/lib/notices/watched";
import { isAway, useSavedCopy } from "@/lib/offline/use-saved-copy";
import { useShortcuts } from "@/lib/shortcuts";
import { t } from "@/strings";
import { ChangesPanel } from "../diff/changes-panel";
import { TerminalPanel } from "../live/terminal-panel";
import { TimelinePanel } from "../live/timeline-panel";
import { Notice, Problem } from "../ui/notice";
import { TaskDetails } from "./task-details";
import { TaskHeader } from "./task-header";

type View = "timeline" | "terminal" | "changes" | "details";
const views: View[] = ["timeline", "terminal", "changes", "details"];

export function TaskPage() {
  const id = useSearchParams().get("id");
  if (!id) return <Missing />;
  // Another task is another page: nothing of the last one may stay.
  return <OneTask key={id} id={id} />;
}

function OneTask({ id }: { id: string }) {
  const query = useTask(id);
  const live = useLiveTask(id);
  const savedAt = useSavedCopy(query);
  const title = query.data && firstLine(query.data.prompt);
  useEffect(() => {
    if (title) document.title = `${title.slice(0, 80)} · ${t.app}`;
  }, [title]);
  if (query.error instanceof NotFoundError) return <Missing />;
  if (query.error && !query.data) {
    return (
      <div className="mx-auto w-full max-w-2xl p-4">
        {isAway(query.error) ? (
          <Notice title={t.offline.missing} text={t.offline.missingText}>
            <button className="button" type="button" onClick={() => void query.refetch()}>
              {t.retry}
            </button>
          </Notice>
        ) : (
          <Problem error={query.error} onRetry={() => void query.refetch()} />
        )}
      </div>
    );
  }
  if (!query.data || !live) return <p className="p-4 text-soft" role="status">{t.loading}</p>;
  return <Loaded task={query.data} live={live} savedAt={savedAt} />;
}

function Loaded({ task, live, savedAt }: { task: Task; live: LiveView; savedAt: number | null }) {
  const state = live.done?.state ?? live.status?.state ?? task.status;
  const [view, setView] = useView();
  useLooking(task.task_id);
  useShortcuts(Object.fromEntries(views.map((name, index) => [String(index + 1), () => setView(name)])));
  useEffect(() => {
    if (!isFinal(task.status)) watch(task.task_id);
    else void announce(task);
  }, [task]);
  return (
    <div className="mx-auto flex min-h-0 w-full max-w-6xl flex-col px-4 pt-3 sm:h-[calc(100dvh-3rem)]">
      <TaskHeader task={task} state={state} live={live} savedAt={live.savedAt ?? savedAt} />
      <Tabs.Root value={view} onValueChange={(value) => setView(value as View)} className="flex min-h-0 flex-1 flex-col">
        <Tabs.List className="flex gap-1 overflow-x-auto border-b border-line" aria-label={t.task.views}>
          {views.map((name) => (
            <Tabs.Tab key={name} value={name} className="-mb-px border-b-2 border-transparent px-3 py-2 text-sm font-medium whitespace-nowrap text-soft data-[active]:border-accent data-[active]:text-text">
              {t.task[name]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="timeline" className="flex min-h-0 flex-1 flex-col">
          <TimelinePanel live={live} state={state} />
        </Tabs.Panel>
        <Tabs.Panel value="terminal" className="flex min-h-0 flex-1 flex-col">
          <TerminalPanel id={task.task_id} live={live} />
        </Tabs.Panel>
        <Tabs.Panel value="changes" className="min-h-0 flex-1 overflow-y-auto">
          <ChangesPanel id={task.task_id} isFinal={isFinal(state)} />
        </Tabs.Panel>
        <Tabs.Panel value="details" className="min-h-0 flex-1 overflow-y-auto">
          <TaskDetails task={task} />
        </Tabs.Panel>
      </Tabs.Root>
    </div>
  );
}

/** The view stands in the address, so that a link or a reload shows the same. */
function useView(): [View, (view: View) => void] {
  const parameters = useSearchParams();
  const named = parameters.get("view") as View | null;
  const view = named && views.includes(named) ? named : "timeline";
  const change = (next: View) => {
    const query = new URLSearchParams(parameters);
    query.set("view", next);
    history.replaceState(null, "", `?${query.toString()}`);
  };
  return [view, change];
}

function Missing() {
  return (
    <Notice title={t.problem.notFound} text={t.problem.notFoundText}>
      <Link className="button" href="/">
        {t.problem.back}
      </Link>
    </Notice>
  );
}
