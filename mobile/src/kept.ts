import { useSyncExternalStore } from "react";

import { storage } from "@/platform/storage";

/** A value that outlives the app and that components follow. */
export interface Kept<T> {
  get: () => T;
  set: (next: T) => void;
  use: () => T;
  subscribe: (listener: () => void) => () => void;
}

/**
 * Keeps a value as JSON under a key. `read` makes a value of whatever stands there: an older release may have written it, and nothing that is
 * stored may keep the app from starting.
 */
export function kept<T>(key: string, read: (stored: unknown) => T): Kept<T> {
  const listeners = new Set<() => void>();
  let known: { value: T } | null = null;
  const get = (): T => (known ??= { value: read(parsed(storage.get(key))) }).value;
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    get,
    set(next) {
      known = { value: next };
      storage.set(key, JSON.stringify(next));
      for (const listener of [...listeners]) listener();
    },
    use: () => useSyncExternalStore(subscribe, get, get),
    subscribe,
  };
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

/** The entries of `stored` that are known and of the right kind, over `defaults`. */
export function over<T extends object>(defaults: T, stored: unknown): T {
  if (typeof stored !== "object" || stored === null) return defaults;
  const right = Object.entries(stored).filter(([key, value]) => key in defaults && typeof value === typeof defaults[key as keyof T]);
  return { ...defaults, ...Object.fromEntries(right) };
}

export const texts = (stored: unknown): string[] => (Array.isArray(stored) ? stored.filter((entry) => typeof entry === "string") : []);
