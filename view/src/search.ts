import type { Line } from "./terminal.js";

/** Finds a text in lines that are added at the end: what has been looked at is not looked at again. */
export class Search {
  /** Numbers of the lines that match, counted from 0 over the whole log. */
  hits: number[] = [];
  readonly needle: string;
  #next = 0;

  constructor(needle: string) {
    this.needle = needle.toLowerCase();
  }

  /** Looks at what is new. `dropped` lines before the first one are gone, and their hits with them. */
  look(lines: Line[], dropped: number): void {
    if (!this.needle) return;
    if ((this.hits[0] ?? dropped) < dropped) this.hits = this.hits.filter((hit) => hit >= dropped);
    for (let number = Math.max(this.#next, dropped); number < dropped + lines.length; number++) {
      if (lines[number - dropped]?.text.toLowerCase().includes(this.needle)) this.hits.push(number);
    }
    this.#next = dropped + lines.length;
  }
}
