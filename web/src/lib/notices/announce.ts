import { type Task, isFinal } from "@codex-remote/sdk";
import { duration, firstLine } from "@codex-remote/view";

import { t } from "@/strings";
import { readSettings } from "../settings";
import { unwatch } from "./watched";

/** Tabs take turns, so that what one has told the others do not tell again. */
const TURN = "codex-remote.notice";
/** Held by tabs that somebody looks at, with the id of the task that they show. */
const LOOKING = "codex-remote.looking.";
/** In place of an id, where all tasks are in sight. */
export const EVERY_TASK = "*";

/** Whether this browser has notifications at all; it has none where pages do not come over HTTPS or from this machine. */
export const hasNotifications = (): boolean => "Notification" in globalThis && "locks" in navigator;

export const mayNotify = (): boolean => hasNotifications() && Notification.permission === "granted" && readSettings().notify;

/** Tells that a task has ended: once, whichever tab sees it, and not while somebody sees it anyway. */
export async function announce(task: Task): Promise<void> {
  if (!isFinal(task.status) || !hasNotifications()) return;
  await navigator.locks.request(TURN, async () => {
    if (!unwatch(task.task_id) || !mayNotify()) return;
    const { held = [] } = await navigator.locks.query();
    const isSeen = held.some(({ name }) => name === LOOKING + task.task_id || name === LOOKING + EVERY_TASK);
    if (!isSeen) await show(task);
  });
}

/** Says that this tab shows a task, until the function that this answers with is called. */
export function lookAt(id: string): () => void {
  if (!hasNotifications()) return () => {};
  const end = new AbortController();
  const { signal } = end;
  const over = new Promise<void>((done) => signal.addEventListener("abort", () => done()));
  navigator.locks.request(LOOKING + id, { mode: "shared", signal }, () => over).catch(() => {});
  return () => end.abort();
}

async function show(task: Task): Promise<void> {
  const path = `/task/?id=${task.task_id}`;
  const title = t.notices.title(t.states[task.status], firstLine(task.prompt).slice(0, 100));
  const took = task.started_at && task.finished_at ? duration((Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000) : null;
  const body = [task.repository, took, task.status === "error" ? (task.reason ?? task.message) : null].filter(Boolean).join(" · ");
  const options = { body, tag: task.task_id, icon: "/icons/icon-192.png", data: { path } };
  const registration = await navigator.serviceWorker?.getRegistration();
  if (registration?.active) return registration.showNotification(title, options);
  const notice = new Notification(title, options);
  notice.onclick = () => {
    window.focus();
    location.assign(path);
  };
}

/** Takes back what is still to be seen of the user who has left. */
export async function withdraw(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const notice of (await registration?.getNotifications()) ?? []) notice.close();
}
