import type { NewTask, Repository } from "@codex-remote/sdk";

import { type Variable, envFaults, envOf, isLonger } from "./env.js";
import { words } from "./words.js";

/** The minutes that a task has where nothing else is said, and the most that it may have. */
export const DEFAULT_MINUTES = 60;
const MOST_MINUTES = 1_440;
/** What the gateway takes as a prompt, in bytes, and as the name of a model (`gateway/src/tasks/validate.rs`). */
export const LONGEST_PROMPT = 256 * 1024;
const MODEL = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$/;

/** A task as somebody writes it: all of it is text until it is sent. */
export interface TaskDraft {
  prompt: string;
  /** Inside of the repository; empty for its root. */
  folder: string;
  /** Empty for the repository's own. */
  model: string;
  /** Minutes, with a fraction if need be; empty for the repository's own. */
  minutes: string;
  variables: readonly Variable[];
}

/** What is wrong with a draft, at the field where it is to be said. */
export interface DraftFaults {
  prompt: string | null;
  model: string | null;
  minutes: string | null;
  /** By the keys of the variables. */
  env: Map<number, string>;
}

/** The repository that was chosen the last time, if it is still there. */
export function chosen(known: readonly Repository[], path: string): Repository | undefined {
  return known.find((repository) => repository.path === path) ?? known.find((repository) => repository.default) ?? known[0];
}

/** The time limit in seconds: `undefined` for the repository's own, `null` where what was typed is none. */
export function secondsOf(minutes: string): number | undefined | null {
  if (!minutes.trim()) return undefined;
  const value = Number(minutes.trim().replace(",", "."));
  return value > 0 && value <= MOST_MINUTES ? Math.max(1, Math.round(value * 60)) : null;
}

/** The time limit of a repository, in minutes. */
export const limitOf = (repository: Repository | undefined): number => (repository?.timeout_seconds ? Math.round(repository.timeout_seconds / 60) : DEFAULT_MINUTES);

/** What the gateway would refuse. What only it knows, it says when it is asked. */
export function faultsOf({ prompt, model, minutes, variables }: TaskDraft): DraftFaults {
  const { composer } = words;
  return {
    prompt: isLonger(prompt, LONGEST_PROMPT) ? composer.promptTooLong(LONGEST_PROMPT / 1024) : null,
    model: model.trim() && !MODEL.test(model.trim()) ? composer.modelWrong : null,
    minutes: secondsOf(minutes) === null ? composer.minutesWrong : null,
    env: envFaults(variables),
  };
}

export const isFaulty = ({ prompt, model, minutes, env }: DraftFaults): boolean => Boolean(prompt ?? model ?? minutes) || env.size > 0;

/** The task as the gateway takes it. */
export function taskOf({ prompt, folder, model, minutes, variables }: TaskDraft, repository: Repository | undefined): NewTask {
  return {
    prompt,
    cwd: repository && [repository.path, ...folder.trim().split("/")].filter(Boolean).join("/"),
    env: envOf(variables),
    model: model.trim() || undefined,
    timeout_seconds: secondsOf(minutes) ?? undefined,
  };
}
