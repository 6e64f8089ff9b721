import { type Kept, kept, over, texts } from "@/kept";
import { storage } from "@/platform/storage";

/** What is remembered of writing tasks for one server. Prompts may say much, so all of it goes with the sign-out. */
export interface ComposerState {
  /** The prompt that is being written. */
  draft: string;
  /** The path of the repository that new tasks start with; empty leaves it to the gateway. */
  repository: string;
  model: string;
  /** Empty for the repository's own. */
  minutes: string;
}

const nothing: ComposerState = { draft: "", repository: "", model: "", minutes: "" };

/** How many prompts are remembered, and the longest one, in characters. */
export const MOST_RECENT = 10;
const LONGEST_RECENT = 4_000;

interface Parts {
  state: Kept<ComposerState>;
  recent: Kept<string[]>;
}

const servers = new Map<string, Parts>();
const stateKey = (url: string) => `composer.${url}`;
const recentKey = (url: string) => `recent.${url}`;

function partsOf(url: string): Parts {
  let parts = servers.get(url);
  if (!parts) {
    parts = { state: kept(stateKey(url), (stored) => over(nothing, stored)), recent: kept(recentKey(url), (stored) => texts(stored).slice(0, MOST_RECENT)) };
    servers.set(url, parts);
  }
  return parts;
}

export const useComposer = (url: string): ComposerState => partsOf(url).state.use();
export const readComposer = (url: string): ComposerState => partsOf(url).state.get();

export function changeComposer(url: string, change: Partial<ComposerState>): void {
  const { state } = partsOf(url);
  state.set({ ...state.get(), ...change });
}

export const useRecent = (url: string): string[] => partsOf(url).recent.use();

/** Puts a prompt in front; the oldest falls off. */
export function remember(url: string, prompt: string): void {
  const { recent } = partsOf(url);
  const text = prompt.trim();
  if (!text || text.length > LONGEST_RECENT) return;
  recent.set([text, ...recent.get().filter((other) => other !== text)].slice(0, MOST_RECENT));
}

export const forgetRecent = (url: string): void => partsOf(url).recent.set([]);

export function forgetComposer(url: string): void {
  const { state, recent } = partsOf(url);
  state.set(nothing);
  recent.set([]);
  storage.remove(stateKey(url));
  storage.remove(recentKey(url));
}
