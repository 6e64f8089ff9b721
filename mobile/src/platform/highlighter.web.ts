import { useSyncExternalStore } from "react";

export type Highlighter = typeof import("@codex-remote/view/highlight");

let loaded: Highlighter | null = null;
let loading: Promise<void> | null = null;
const listeners = new Set<() => void>();

async function load(): Promise<void> {
  try {
    loaded = await import("@codex-remote/view/highlight");
    for (const listener of [...listeners]) listener();
  } catch {
    // Without colours code can be read all the same. The next code that is shown asks again.
    loading = null;
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (!loaded) loading ??= load();
  return () => listeners.delete(listener);
}

const get = () => loaded;

/** Syntax colours; `null` until the grammars are there, which are a large part of the app and come when the first code is shown. */
export const useHighlighter = (): Highlighter | null => useSyncExternalStore(subscribe, get, get);
