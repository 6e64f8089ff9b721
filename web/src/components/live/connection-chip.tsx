import type { Connection } from "@codex-remote/view";
import clsx from "clsx";

import { t } from "@/strings";

const tones: Record<Connection["state"], string> = {
  connecting: "bg-soft",
  live: "bg-good",
  waiting: "bg-warn breathing",
  paused: "bg-warn",
  ended: "bg-soft",
  failed: "bg-bad",
};

/** How the connection stands: what is drawn is only as new as the connection is alive. */
export function ConnectionChip({ connection }: { connection: Connection }) {
  const { state } = connection;
  const error = state === "failed" || state === "waiting" ? connection.error?.message : null;
  return (
    <span className="inline-flex items-center gap-1.5" role="status" title={[t.connection.explain[state], error].filter(Boolean).join(" ")} data-connection={state}>
      <span aria-hidden className={clsx("size-2 rounded-full", tones[state])} />
      {t.connection[state]}
      {state === "failed" && error ? `: ${error}` : ""}
    </span>
  );
}
