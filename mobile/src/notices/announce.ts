import { ConnectionError, NotFoundError, type Task, isFinal } from "@codex-remote/sdk";
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
  // Somebody may have signed out while the system was about it; what that takes back was not there yet.
  if (!isSignedIn(server)) await notifications?.clear();
}

const isSignedIn = (url: string): boolean => listServers().some((server) => server.url === url && server.isSignedIn);

/** How many tasks of a server are asked for in one look. */
const AT_ONCE = 5;
/** How long one answer may take, in milliseconds. */
const PATIENCE = 10_000;
/** Where the last look ended, by server. The next one goes on there, so that tasks that take long do not hide the others. */
const lookedAt = new Map<string, string>();

/** The watched tasks whose turn it is. */
function turn(url: string): string[] {
  const ids = watched(url);
  const from = ids.indexOf(lookedAt.get(url) ?? "") + 1;
  return [...ids.slice(from), ...ids.slice(0, from)].slice(0, AT_ONCE);
}

/** Asks for the watched tasks of all servers once; answers how many are still to be waited for. */
export async function lookForEnds(isInFront: boolean, signal?: AbortSignal): Promise<number> {
  let left = 0;
  for (const { url, isSignedIn } of listServers()) {
    if (!isSignedIn) continue;
    for (const id of turn(url)) {
      if (signal?.aborted) break;
      lookedAt.set(url, id);
      try {
        await announce(url, await clientFor(url).tasks.get(id, { maxRetries: 0, timeout: PATIENCE, ...(signal && { signal }) }), isInFront);
      } catch (error) {
        if (error instanceof NotFoundError) unwatch(url, id);
        // Whatever else it is may be over the next time; where there is no server now, it would be the same with the others.
        if (error instanceof ConnectionError || signal?.aborted) break;
      }
    }
    left += watched(url).length;
  }
  return left;
}
