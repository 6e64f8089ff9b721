import { NotFoundError, type Task, isFinal } from "@codex-remote/sdk";
import { firstLine } from "@codex-remote/view";

import { taskLink } from "@/links/target";
import { notifications } from "@/platform/notifications";
import { clientFor } from "@/servers/client";
import { listServers } from "@/servers/servers";
import { readSettings } from "@/settings/settings";
import { t } from "@/strings";
import { unwatch, watched } from "./watched";

/** The task that somebody looks at now, by server and id. */
let seen: string | null = null;

/** Says that a screen shows a task, until the function that this answers with is called. */
export function lookAt(server: string, id: string): () => void {
  const name = `${server} ${id}`;
  seen = name;
  return () => {
    if (seen === name) seen = null;
  };
}

/** Tells that a task has ended: once, whoever sees it, and not while somebody looks at it. */
export async function announce(server: string, task: Task, isInFront: boolean): Promise<void> {
  if (!isFinal(task.status) || !unwatch(server, task.task_id) || !readSettings().notify) return;
  if (isInFront && seen === `${server} ${task.task_id}`) return;
  const title = t.notices.title(t.states[task.status], firstLine(task.prompt).slice(0, 100));
  const body = [task.repository, task.status === "error" ? (task.reason ?? task.message) : null].filter(Boolean).join(" · ");
  await notifications?.show({ id: task.task_id, title, body, path: taskLink(server, task.task_id) });
}

/** How many tasks are asked for in one look; what is left over comes with the next one. */
const AT_ONCE = 5;

/** Asks for the watched tasks of all servers once; answers how many are still to be waited for. */
export async function lookForEnds(isInFront: boolean, signal?: AbortSignal): Promise<number> {
  let left = 0;
  for (const { url, isSignedIn } of listServers()) {
    if (!isSignedIn) continue;
    const ids = watched(url);
    for (const id of ids.slice(0, AT_ONCE)) {
      try {
        await announce(url, await clientFor(url).tasks.get(id, { maxRetries: 0, ...(signal && { signal }) }), isInFront);
      } catch (error) {
        // Whatever else it is, it may be over the next time.
        if (error instanceof NotFoundError) unwatch(url, id);
      }
    }
    left += watched(url).length;
  }
  return left;
}
