import { APIError } from "@codex-remote/sdk";
import { type TaskDraft, faultsOf, isFaulty, variableIn } from "@codex-remote/view";

/** What is wrong with a task that is being written, each at its field. */
export interface Problems {
  prompt: string | null;
  folder: string | null;
  model: string | null;
  minutes: string | null;
  /** By the keys of the variables. */
  env: ReadonlyMap<number, string>;
  /** What is wrong with the variables, but with none of them alone. */
  allEnv: string | null;
  /** Whether one of these stands in the options, which may be closed. */
  isInOptions: boolean;
  /** Whether the draft need not be sent to know that it is refused. */
  isCertain: boolean;
}

/** What can be known of the draft here, and what the gateway has said of it. */
export function problemsOf(draft: TaskDraft, error: unknown): Problems {
  const faults = faultsOf(draft);
  const field = error instanceof APIError ? error.field : null;
  const message = error instanceof Error ? error.message : "";
  const said = (name: string) => (field === name ? message : null);
  const variable = field === "env" ? variableIn(message, draft.variables) : undefined;
  const problems = {
    prompt: faults.prompt ?? said("prompt"),
    folder: said("cwd"),
    model: faults.model ?? said("model"),
    minutes: faults.minutes ?? said("timeout_seconds"),
    env: variable && !faults.env.has(variable.key) ? new Map(faults.env).set(variable.key, message) : faults.env,
    allEnv: variable ? null : said("env"),
  };
  const { folder, model, minutes, env, allEnv } = problems;
  return {
    ...problems,
    isInOptions: Boolean(folder ?? model ?? minutes ?? allEnv) || env.size > 0,
    isCertain: isFaulty(faults),
  };
}
