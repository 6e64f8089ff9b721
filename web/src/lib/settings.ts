import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

/** What this browser remembers of the user's choices. Values of variables are not among it: they may be secrets. */
export interface Settings {
  theme: Theme;
  /** The path of the repository that new tasks start with; empty leaves it to the gateway. */
  repository: string;
  model: string;
  /** Empty for the repository's own. */
  minutes: string;
  /** How many lines of output are kept in memory for each open task. */
  bufferLines: number;
  /** Whether long lines of the terminal are broken. */
  wrap: boolean;
  /** Whether to tell when a task ends while the page is hidden. */
  notify: boolean;
  /** Whether the last tasks are kept in this browser, so that they can be read without a network. */
  keepOffline: boolean;
  /** Whether single keys do something; some people's speech input types them by accident. */
  shortcuts: boolean;
}

export const BUFFER_SIZES = [10_000, 50_000, 200_000, 1_000_000];

export const defaults: Settings = {
  theme: "system",
  repository: "",
  model: "",
  minutes: "",
  bufferLines: 200_000,
  wrap: false,
  notify: false,
  keepOffline: true,
  shortcuts: true,
};

const KEY = "codex-remote.settings";
const EVENT = "codex-settings";

let cached: { text: string | null; settings: Settings } = { text: null, settings: defaults };

export function readSettings(): Settings {
  const text = localStorage.getItem(KEY);
  if (text !== cached.text) cached = { text, settings: parse(text) };
  return cached.settings;
}

export function changeSettings(change: Partial<Settings>): void {
  localStorage.setItem(KEY, JSON.stringify({ ...readSettings(), ...change }));
  dispatchEvent(new Event(EVENT));
}

export function useSettings(): Settings {
  return useSyncExternalStore(subscribe, readSettings, () => defaults);
}

/** What an older release stored, or somebody's hand wrote, must not break the page. */
function parse(text: string | null): Settings {
  try {
    const stored = JSON.parse(text ?? "{}") as Partial<Record<keyof Settings, unknown>>;
    const known = Object.entries(stored).filter(([key, value]) => key in defaults && typeof value === typeof defaults[key as keyof Settings]);
    return { ...defaults, ...Object.fromEntries(known) };
  } catch {
    return defaults;
  }
}

function subscribe(listener: () => void): () => void {
  addEventListener(EVENT, listener);
  addEventListener("storage", listener);
  return () => {
    removeEventListener(EVENT, listener);
    removeEventListener("storage", listener);
  };
}
