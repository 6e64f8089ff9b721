import { ConnectionError } from "./errors.js";
import type { RawEvent } from "./sse.js";
import { abortReason } from "./wait.js";

/** What is needed of a WebSocket. Browsers, React Native, Node from 22 on, and the package `ws` have it. */
export interface WebSocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** What may wait for the reader, in characters. A WebSocket cannot be told to send slower, so beyond this it is closed and opened again. */
const MOST_WAITING = 16 * 1024 * 1024;

/** The socket did not even open; the caller asks over HTTP why, because a WebSocket does not say. */
export class NotOpened extends ConnectionError {}

/** The events of a socket, as many at a time as have come. */
export async function* messages(socket: WebSocketLike, signal: AbortSignal, alive: () => void): AsyncGenerator<RawEvent[]> {
  let waiting: RawEvent[] = [];
  let size = 0;
  let isOpen = false;
  let ended: Error | "closed" | null = null;
  let wake = () => {};
  const end = (how: Error | "closed") => {
    ended ??= how;
    wake();
  };
  const stop = () => {
    const reason = abortReason(signal);
    end(reason instanceof Error ? reason : new ConnectionError("stopped"));
  };
  socket.onopen = () => {
    isOpen = true;
    alive();
  };
  socket.onmessage = (message: { data: unknown }) => {
    if (ended) return;
    alive();
    const { event, id, data } = JSON.parse(String(message.data)) as { event: string; id?: number; data: unknown };
    waiting.push({ name: event, id: id === undefined ? null : String(id), data });
    size += String(message.data).length;
    if (size > MOST_WAITING) end(new ConnectionError("the reader is slower than the socket"));
    wake();
  };
  socket.onerror = () => end(isOpen ? new ConnectionError("the WebSocket broke") : new NotOpened("the WebSocket did not open"));
  socket.onclose = () => end(isOpen ? "closed" : new NotOpened("the WebSocket did not open"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      if (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        size = 0;
        yield batch;
      } else if (ended) {
        // It is set in callbacks, which the compiler does not follow.
        const how = ended as Error | "closed";
        if (how === "closed") return;
        throw how;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener("abort", stop);
    socket.onmessage = null;
    // Some implementations report an error when a socket is closed before it is open, and demand that somebody listens.
    socket.onerror = () => {};
    socket.close();
  }
}
