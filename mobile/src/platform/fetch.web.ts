import type { Fetch } from "@codex-remote/sdk";

/** The browser's own streams. */
export const fetch: Fetch = (input, init) => globalThis.fetch(input, init);
