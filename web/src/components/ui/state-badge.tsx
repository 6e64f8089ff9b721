import type { TaskState } from "@codex-remote/sdk";
import clsx from "clsx";

import { t } from "@/strings";

const tones: Record<TaskState, string> = {
  queued: "bg-sunken text-soft",
  running: "bg-busy-ground text-busy",
  completed: "bg-good-ground text-good",
  error: "bg-bad-ground text-bad",
  canceled: "bg-warn-ground text-warn",
};

export function StateBadge({ state }: { state: TaskState }) {
  return (
    <span className={clsx("inline-flex items-center gap-1.5 rounded-full px-2.5 py-0.5 text-xs font-semibold whitespace-nowrap", tones[state])} data-state={state}>
      {state === "running" && <span aria-hidden className="breathing size-2 rounded-full bg-busy" />}
      {t.states[state]}
    </span>
  );
}
