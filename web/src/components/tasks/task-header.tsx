"use client";

import { type Task, type TaskState, isFinal } from "@codex-remote/sdk";
import { type LiveView, count, duration, firstLine, plainMessage, short } from "@codex-remote/view";
import { useRouter } from "next/navigation";

import { writeDraft } from "@/lib/draft";
import { useNow } from "@/lib/use-now";
import { t } from "@/strings";
import { ConnectionChip } from "../live/connection-chip";
import { NotifyOffer } from "../notify";
import { SavedCopy } from "../ui/saved-copy";
import { StateBadge } from "../ui/state-badge";
import { CancelButton } from "./cancel-button";

export function TaskHeader({ task, state, live, savedAt }: { task: Task; state: TaskState; live: LiveView; savedAt: number | null }) {
  const router = useRouter();
  const isOver = isFinal(state);
  const again = () => {
    writeDraft(task.prompt);
    router.push("/");
  };
  const reason = live.done ?? live.status;
  const given = reason?.message ?? task.message;
  const message = given && plainMessage(given);
  return (
    <header className="grid grid-cols-[minmax(0,1fr)] gap-2 pb-3">
      <div className="flex items-start gap-3">
        <h1 className="line-clamp-2 min-w-0 flex-1 text-lg font-semibold sm:line-clamp-1" title={firstLine(task.prompt)}>
          {firstLine(task.prompt)}
        </h1>
        {!isOver && <CancelButton id={task.task_id} isAsked={Boolean(live.status?.cancel_requested ?? task.cancel_requested_at)} />}
        {isOver && !task.prompt_truncated && (
          <button className="button" type="button" onClick={again}>
            {t.task.again}
          </button>
        )}
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-soft">
        <StateBadge state={state} />
        {state === "queued" && live.status?.queue_position && <span>{t.task.position(live.status.queue_position)}</span>}
        <ConnectionChip connection={live.connection} />
        <Elapsed task={task} isOver={isOver} savedAt={savedAt} />
        <Tokens task={task} live={live} />
        {!isOver && <NotifyOffer />}
        {task.repository && <span>{task.repository}</span>}
        {task.model && <span>{task.model}</span>}
        {isOver && task.exit_code !== null && (
          <span>
            {t.task.exit} {task.exit_code}
          </span>
        )}
      </div>
      {savedAt !== null && <SavedCopy at={savedAt} />}
      {isOver && state !== "completed" && message && (
        <p className="rounded-md bg-bad-ground px-3 py-2 text-sm" role="status">
          {reason?.reason && <strong className="text-bad">{reason.reason}: </strong>}
          {message}
        </p>
      )}
    </header>
  );
}

function Elapsed({ task, isOver, savedAt }: { task: Task; isOver: boolean; savedAt: number | null }) {
  // Nobody knows how a task that ran when it was last seen went on.
  const clock = useNow(!isOver && task.started_at !== null && savedAt === null);
  const now = savedAt ?? clock;
  if (!task.started_at) return null;
  const end = task.finished_at ? Date.parse(task.finished_at) : now;
  return (
    <span>
      {t.task.elapsed} <span className="tabular-nums">{duration((end - Date.parse(task.started_at)) / 1000)}</span>
    </span>
  );
}

function Tokens({ task, live }: { task: Task; live: LiveView }) {
  const usage = live.timeline.usage ?? task.usage;
  if (!usage) return null;
  const detail = t.task.tokensDetail(count(usage.input_tokens), count(usage.cached_input_tokens), count(usage.output_tokens));
  return (
    <span title={detail}>
      {t.task.tokens} <span aria-hidden>{short(usage.input_tokens + usage.output_tokens)}</span>
      <span className="sr-only">{detail}</span>
    </span>
  );
}
