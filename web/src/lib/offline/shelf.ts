import { type LogKeeper, type Saved, type SavedLog, merged } from "@codex-remote/view";
import { type UseStore, clear, createStore, del, get, set, update } from "idb-keyval";

/** What stands on the shelf, with whom it belongs to and when it was put there. */
interface Entry<T> {
  owner: string;
  at: number;
  value: T;
}

/** A task that can be read without a network has a record, and may have a log and a patch. */
export type Part = "task" | "log" | "patch";
const PARTS: Part[] = ["task", "log", "patch"];

/** How many tasks are kept. */
export const MOST_TASKS = 20;

let opened: UseStore | null = null;
const store = () => (opened ??= createStore("codex-remote", "offline"));

/**
 * What one user saw last, for reading without a network. Nothing here may break the page: a browser that has no room or no database keeps
 * nothing. Everything carries the user's name, so what another one left is never read, even where it could not be removed.
 */
export class Shelf implements LogKeeper {
  readonly owner: string;
  #isOpen = true;
  /** The last change of the list of tasks; the next one waits for it. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(owner: string) {
    this.owner = owner;
  }

  /** What is still under way is not written any more. */
  close(): void {
    this.#isOpen = false;
  }

  async find<T>(key: string): Promise<Saved<T> | null> {
    try {
      const entry = await get<Entry<T>>(key, store());
      return entry?.owner === this.owner && this.#isOpen ? { at: entry.at, value: entry.value } : null;
    } catch {
      return null;
    }
  }

  async write(key: string, value: unknown): Promise<void> {
    if (!this.#isOpen) return;
    const entry: Entry<unknown> = { owner: this.owner, at: Date.now(), value };
    await set(key, entry, store()).catch(() => {});
    // The session may have ended while this was written, after everything else was removed.
    if (!this.#isOpen) await del(key, store()).catch(() => {});
  }

  /** The ids of the tasks that are kept, the last one that was opened first. */
  async tasks(): Promise<string[]> {
    return (await this.find<string[]>("tasks"))?.value ?? [];
  }

  /** Keeps a part of a task; past the limit, the task that was not opened for the longest time goes. */
  async writeTask(id: string, part: Part, value: unknown): Promise<void> {
    await this.write(`${part}:${id}`, value);
    await this.#touch(id);
  }

  /** The end of the log of a task. */
  read(id: string): Promise<Saved<SavedLog> | null> {
    return this.find(`log:${id}`);
  }

  async keep(id: string, log: SavedLog): Promise<void> {
    if (!this.#isOpen) return;
    const key = `log:${id}`;
    const change = (kept?: Entry<SavedLog>): Entry<SavedLog> => {
      const own = kept?.owner === this.owner ? kept.value : null;
      return { owner: this.owner, at: Date.now(), value: merged(own, log) };
    };
    // In one transaction, so that two pages of the same task do not take each other's copy for the one from before.
    await update(key, change, store()).catch(() => {});
    if (!this.#isOpen) await del(key, store()).catch(() => {});
    await this.#touch(id);
  }

  async forgetTask(id: string): Promise<void> {
    await this.#change((known) => known.filter((other) => other !== id));
    await remove([id]);
  }

  #touch(id: string): Promise<void> {
    return this.#change((known) => [id, ...known.filter((other) => other !== id)]);
  }

  #change(change: (known: string[]) => string[]): Promise<void> {
    const turn = this.#turn.then(async () => {
      const known = await this.tasks();
      const next = change(known);
      if (next[0] === known[0] && next.length === known.length) return;
      await this.write("tasks", next.slice(0, MOST_TASKS));
      await remove(next.slice(MOST_TASKS));
    });
    this.#turn = turn;
    return turn;
  }
}

async function remove(ids: string[]): Promise<void> {
  const keys = ids.flatMap((id) => PARTS.map((part) => `${part}:${id}`));
  await Promise.all(keys.map((key) => del(key, store()).catch(() => {})));
}

/** Removes everything, whoever it belongs to. */
export async function clearShelf(): Promise<void> {
  await clear(store()).catch(() => {});
}
