import { type LogKeeper, type Saved, type SavedLog, merged } from "@codex-remote/view";

/** Where something stands: which server it came from, what it belongs to (a task, or a list), and what of it. */
export interface Place {
  server: string;
  subject: string;
  part: string;
}

/** What is known of an entry without reading it. */
export interface Card extends Place {
  /** Characters; the databases take one or two bytes for each. */
  size: number;
  /** When it was written, in Unix time in milliseconds. */
  at: number;
}

/** Where entries are kept between starts: `table.ts` has them in SQLite, `table.web.ts` in the browser's database. */
export interface Table {
  cards(): Promise<Card[]>;
  read(place: Place): Promise<{ text: string; at: number } | null>;
  write(card: Card, text: string): Promise<void>;
  remove(places: Place[]): Promise<void>;
}

export type TaskPart = "task" | "log" | "patch";

export interface Bounds {
  /** How many tasks are kept of all servers together. */
  tasks: number;
  /** How much is kept of all servers together, in characters. */
  size: number;
}

export const BOUNDS: Bounds = { tasks: 30, size: 12_000_000 };

/** In place of a task, for what belongs to none. */
const LISTS = "";

/**
 * What was seen last, for reading without a network. Everything is done in turn, and nothing here may break the app: a device that has no room
 * keeps nothing. Past the bounds, the task goes that was not written for the longest time, with all of its parts.
 */
export class Shelf {
  readonly #table: Table;
  readonly #bounds: Bounds;
  #turn: Promise<unknown> = Promise.resolve();
  /** Counts how often each server was wiped: what was begun before that is not written after it. */
  readonly #wipes = new Map<string, number>();

  constructor(table: Table, bounds = BOUNDS) {
    this.#table = table;
    this.#bounds = bounds;
  }

  /** The part of the shelf that belongs to a session. A later session has to ask for its own. */
  of(server: string): ServerShelf {
    const wipes = this.#wipes.get(server) ?? 0;
    return new ServerShelf(this, server, () => (this.#wipes.get(server) ?? 0) === wipes);
  }

  /** Removes all that came from a server. */
  wipe(server: string): Promise<void> {
    this.#wipes.set(server, (this.#wipes.get(server) ?? 0) + 1);
    return this.inTurn(async () => this.#table.remove((await this.#table.cards()).filter((card) => card.server === server)));
  }

  read(place: Place): Promise<{ text: string; at: number } | null> {
    return this.inTurn(() => this.#table.read(place), null);
  }

  /** The same, for whose turn it is already. */
  peek(place: Place): Promise<{ text: string; at: number } | null> {
    return this.#table.read(place);
  }

  /** For whose turn it is: puts `text` in a place, and makes room for it. Nothing is put where `isWanted` says no. */
  async put(place: Place, text: string, isWanted: () => boolean): Promise<void> {
    const { server, subject, part } = place;
    const card = { server, subject, part, size: text.length, at: Date.now() };
    if (!isWanted() || card.size > this.#bounds.size) return;
    await this.#table.write(card, text);
    await this.#makeRoom(card);
  }

  async forget(server: string, subject: string): Promise<void> {
    await this.inTurn(async () => this.#table.remove((await this.#table.cards()).filter((card) => card.server === server && card.subject === subject)));
  }

  /** One after the other; what fails is as if it had not been asked for. */
  inTurn<T>(work: () => Promise<T>, otherwise?: T): Promise<T> {
    const turn = this.#turn.then(work).catch(() => otherwise as T);
    this.#turn = turn;
    return turn;
  }

  async #makeRoom(newest: Card): Promise<void> {
    const cards = await this.#table.cards();
    let size = cards.reduce((sum, card) => sum + card.size, 0);
    const subjects = new Map<string, Card[]>();
    for (const card of cards) {
      const key = JSON.stringify([card.server, card.subject]);
      subjects.set(key, [...(subjects.get(key) ?? []), card]);
    }
    const lastOf = (group: Card[]) => Math.max(...group.map((card) => card.at));
    const isNewest = ([first]: Card[]) => first?.server === newest.server && first.subject === newest.subject;
    const isList = ([first]: Card[]) => first?.subject === LISTS;
    // Lists are small and always the first thing that is wanted.
    const tasks = [...subjects.values()].filter((group) => !isList(group)).sort((one, other) => lastOf(one) - lastOf(other));
    let left = tasks.length;
    for (const group of tasks) {
      if (left <= this.#bounds.tasks && size <= this.#bounds.size) return;
      if (isNewest(group)) continue;
      await this.#table.remove(group);
      size -= group.reduce((sum, card) => sum + card.size, 0);
      left--;
    }
  }
}

/** What one session keeps. After the session nothing is read or written any more, whoever still holds this. */
export class ServerShelf implements LogKeeper {
  readonly #shelf: Shelf;
  readonly #server: string;
  readonly #isOpen: () => boolean;

  constructor(shelf: Shelf, server: string, isOpen: () => boolean) {
    this.#shelf = shelf;
    this.#server = server;
    this.#isOpen = isOpen;
  }

  /** The end of the log of a task. */
  read(id: string): Promise<Saved<SavedLog> | null> {
    return this.#find(id, "log");
  }

  /** Keeps the end of a log, unless what is kept already goes further. */
  async keep(id: string, log: SavedLog): Promise<void> {
    const place = this.#place(id, "log");
    await this.#shelf.inTurn(async () => {
      const kept = parsed<SavedLog>(await this.#shelf.peek(place));
      await this.#shelf.put(place, JSON.stringify(merged(kept?.value ?? null, log)), this.#isOpen);
    });
  }

  readPart<T>(id: string, part: TaskPart): Promise<Saved<T> | null> {
    return this.#find(id, part);
  }

  async keepPart(id: string, part: TaskPart, value: unknown): Promise<void> {
    await this.#shelf.inTurn(() => this.#shelf.put(this.#place(id, part), JSON.stringify(value), this.#isOpen));
  }

  readList<T>(name: string): Promise<Saved<T> | null> {
    return this.#find(LISTS, name);
  }

  async keepList(name: string, value: unknown): Promise<void> {
    await this.#shelf.inTurn(() => this.#shelf.put(this.#place(LISTS, name), JSON.stringify(value), this.#isOpen));
  }

  forgetTask(id: string): Promise<void> {
    return this.#shelf.forget(this.#server, id);
  }

  #place(subject: string, part: string): Place {
    return { server: this.#server, subject, part };
  }

  async #find<T>(subject: string, part: string): Promise<Saved<T> | null> {
    const found = parsed<T>(await this.#shelf.read(this.#place(subject, part)));
    return this.#isOpen() ? found : null;
  }
}

function parsed<T>(entry: { text: string; at: number } | null): Saved<T> | null {
  try {
    return entry && { at: entry.at, value: JSON.parse(entry.text) as T };
  } catch {
    // A release that wrote something else, or a file that broke.
    return null;
  }
}
