/** An event of a stream, as it was sent. */
export interface RawEvent {
  name: string;
  id: string | null;
  /** Text that holds JSON, or its value where the transport has parsed it already. */
  data: unknown;
}

/** Takes the text of an event stream in pieces of any size and gives the events that are complete. */
export class SseParser {
  /** How long the server wants clients to wait before they connect again, in milliseconds. */
  retry: number | null = null;
  /** The beginning of a line that is not finished. Pieces are joined when its end has come: a long event would cost the square otherwise. */
  #pieces: string[] = [];
  #isStarted = false;
  /** Whether the last piece ended in a carriage return, so that a line feed at the beginning of the next one belongs to it. */
  #isHalf = false;
  #name = "";
  #id: string | null = null;
  #data: string | null = null;

  push(text: string): RawEvent[] {
    if (!text) return [];
    let start = (!this.#isStarted && text.startsWith("\uFEFF")) || (this.#isHalf && text.startsWith("\n")) ? 1 : 0;
    this.#isStarted = true;
    this.#isHalf = false;
    const events: RawEvent[] = [];
    for (let end = lineEnd(text, start); end >= 0; end = lineEnd(text, start)) {
      const event = this.#line(this.#joined(text.slice(start, end)));
      if (event) events.push(event);
      this.#isHalf = text[end] === "\r" && end === text.length - 1;
      start = end + (text.startsWith("\r\n", end) ? 2 : 1);
    }
    if (start < text.length) this.#pieces.push(text.slice(start));
    return events;
  }

  #joined(end: string): string {
    if (this.#pieces.length === 0) return end;
    const line = this.#pieces.join("") + end;
    this.#pieces = [];
    return line;
  }

  #line(line: string): RawEvent | null {
    if (line === "") return this.#finish();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data = this.#data === null ? value : `${this.#data}\n${value}`;
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    return null;
  }

  #finish(): RawEvent | null {
    const event = this.#data === null ? null : { name: this.#name || "message", id: this.#id, data: this.#data };
    this.#name = "";
    this.#id = null;
    this.#data = null;
    return event;
  }
}

function lineEnd(text: string, from: number): number {
  const feed = text.indexOf("\n", from);
  const carriage = text.slice(from, feed < 0 ? undefined : feed).indexOf("\r");
  return carriage < 0 ? feed : from + carriage;
}
