/** The tasks whose end is to be told, shared by the tabs of this browser. */

const KEY = "codex-remote.watched";
/** More than this nobody waits for. */
const MOST = 50;

export function watched(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

const write = (ids: string[]) => localStorage.setItem(KEY, JSON.stringify(ids.slice(-MOST)));

export function watch(id: string): void {
  const ids = watched();
  if (!ids.includes(id)) write([...ids, id]);
}

/** Answers whether the task was watched until now. */
export function unwatch(id: string): boolean {
  const ids = watched();
  if (!ids.includes(id)) return false;
  write(ids.filter((other) => other !== id));
  return true;
}

export function unwatchAll(): void {
  localStorage.removeItem(KEY);
}
