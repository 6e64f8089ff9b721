import type { NewTask, Repository } from "@codex-remote/sdk";

import type { ComposerState } from "./kept";

/** The minutes that a task has where nothing else is said, and the most that it may have. */
export const DEFAULT_MINUTES = 60;
const MOST_MINUTES = 1_440;

/** What was chosen the last time, if it is still there. */
export function chosen(known: Repository[], path: string): Repository | undefined {
  return known.find((repository) => repository.path === path) ?? known.find((repository) => repository.default) ?? known[0];
}

/** The time limit in seconds: `undefined` for the repository's own, `null` where what was typed is none. */
export function secondsOf(minutes: string): number | undefined | null {
  if (!minutes.trim()) return undefined;
  const value = Number(minutes.trim().replace(",", "."));
  return value > 0 && value <= MOST_MINUTES ? Math.max(1, Math.round(value * 60)) : null;
}

export const limitOf = (repository: Repository | undefined): number => (repository?.timeout_seconds ? Math.round(repository.timeout_seconds / 60) : DEFAULT_MINUTES);

/** The task as the gateway takes it. */
export function taskOf({ draft, model, minutes }: ComposerState, repository: Repository | undefined, folder: string): NewTask {
  return {
    prompt: draft,
    cwd: repository && [repository.path, ...folder.split("/")].filter(Boolean).join("/"),
    model: model.trim() || undefined,
    timeout_seconds: secondsOf(minutes) ?? undefined,
  };
}
