// Follows a task over as many connections as it takes. `EventSource` cannot send the Authorization header, so the stream is read with
// fetch and taken up again after the last number.

const FIRST_WAIT = 250;
const LONGEST_WAIT = 5000;
// The gateway sends a comment every 15 seconds; three missing ones mean that nobody is there.
const SILENCE = 45_000;

/** Splits text into the events that are complete; answers with them and with what is left over. */
export function parse(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  const events = [];
  for (const block of blocks) {
    const event = { name: "message", id: null, data: "" };
    for (const line of block.split("\n")) {
      if (line.startsWith(":")) continue;
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event.name = value;
      else if (field === "id") event.id = value;
      else if (field === "data") event.data += (event.data ? "\n" : "") + value;
    }
    if (event.data) events.push(event);
  }
  return { events, rest };
}

/**
 * Calls `onEvent(name, data, id)` for each event until `done`, and `onConnection(text)` when the connection comes and goes.
 * `request(path, options)` answers with a Response and adds the login.
 */
export async function follow(task, { request, onEvent, onConnection, signal }) {
  let last = null;
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const response = await request(`/api/tasks/${encodeURIComponent(task)}/stream?pace=ui`, { headers, signal });
      if (!response.ok) throw await problem(response);
      onConnection("");
      const ended = await read(response.body, signal, (event) => {
        wait = FIRST_WAIT;
        if (event.id !== null) last = event.id;
        onEvent(event.name, JSON.parse(event.data), event.id);
        return event.name === "done";
      });
      if (ended) return;
    } catch (error) {
      if (signal.aborted) return;
      if (error.fatal) throw error;
    }
    onConnection("The connection was lost; connecting again …");
    await new Promise((resolve) => setTimeout(resolve, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

async function read(body, signal, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), SILENCE);
      if (done || signal.aborted) return false;
      const parsed = parse(text + value);
      text = parsed.rest;
      for (const event of parsed.events) if (onEvent(event)) return true;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function withTimeout(promise, milliseconds) {
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the stream is silent")), milliseconds);
  });
  return Promise.race([promise, silence]).finally(() => clearTimeout(timer));
}

/** An Error with the words of the gateway. Mistakes of the request are `fatal`: trying again cannot help. */
export async function problem(response) {
  const body = await response.json().catch(() => null);
  const error = new Error(body?.error?.message ?? `The gateway answered ${response.status}.`);
  error.status = response.status;
  error.fatal = response.status >= 400 && response.status < 500 && response.status !== 429;
  return error;
}
