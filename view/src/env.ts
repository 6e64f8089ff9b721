import type { Task } from "@codex-remote/sdk";

import { words } from "./words.js";

/** A variable that is being written. `key` tells it from the others while its name changes. */
export interface Variable {
  key: number;
  name: string;
  value: string;
}

/** The bounds of the gateway (`crds/src/limits.rs`), in bytes where it is about length. */
export const MOST_VARIABLES = 64;
const LONGEST_NAME = 128;
const LONGEST_VALUE = 8_192;

/** What the gateway refuses whatever its allow-list says, in any case of letters: `crds/src/env_policy.rs`, which a test compares with this. */
export const REFUSED_NAMES: readonly string[] = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "TMPDIR", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "IFS", "CDPATH", "GLOBIGNORE"],
  ...["NODE_OPTIONS", "NODE_PATH", "PERL5OPT", "PERL5LIB", "PERLLIB", "RUBYOPT", "RUBYLIB", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "FTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "RUSTC_WRAPPER", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS"],
  ...["LOCPATH", "NLSPATH", "GCONV_PATH", "MALLOC_TRACE", "KUBECONFIG", "EDITOR", "VISUAL", "PAGER"],
];
export const REFUSED_PREFIXES: readonly string[] = ["LD_", "DYLD_", "GIT_", "CODEX_", "OPENAI_", "PYTHON", "BASH_FUNC_", "SSH_", "KUBERNETES_", "GLIBC_"];

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names of what should not be handed to an agent. */
const CREDENTIAL = /TOKEN|SECRET|PASSW|CREDENTIAL|(?:^|_)(?:API|ACCESS|PRIVATE|SIGNING)_?KEY|(?:^|_)(?:PASS|PWD|AUTH|KEY)$/i;

/** One more variable, to be filled in. */
export function oneMore(variables: readonly Variable[]): Variable[] {
  return [...variables, { key: Math.max(0, ...variables.map(({ key }) => key)) + 1, name: "", value: "" }];
}

/** The variables as the gateway takes them; rows that are not filled in are left out. */
export function envOf(variables: readonly Variable[]): Record<string, string> | undefined {
  const named = variables.filter(({ name }) => name.trim());
  return named.length > 0 ? Object.fromEntries(named.map(({ name, value }) => [name.trim(), value])) : undefined;
}

/** What the gateway would refuse of the variables, by their keys. Its allow-list of names is not known here. */
export function envFaults(variables: readonly Variable[]): Map<number, string> {
  const faults = new Map<number, string>();
  const seen = new Set<string>();
  for (const { key, name, value } of variables) {
    const fault = faultOf(name.trim(), value, seen);
    if (fault) faults.set(key, fault);
    if (name.trim()) seen.add(name.trim());
  }
  return faults;
}

function faultOf(name: string, value: string, seen: ReadonlySet<string>): string | null {
  const { envFault } = words.composer;
  if (!name) return value ? envFault.nameless : null;
  if (!NAME.test(name) || name.length > LONGEST_NAME) return envFault.malformed;
  const upper = name.toUpperCase();
  if (REFUSED_NAMES.includes(upper) || REFUSED_PREFIXES.some((prefix) => upper.startsWith(prefix))) return envFault.refused;
  if (seen.has(name)) return envFault.twice;
  if (seen.size >= MOST_VARIABLES) return envFault.tooMany(MOST_VARIABLES);
  if (value.includes("\0") || isLonger(value, LONGEST_VALUE)) return envFault.value;
  return null;
}

/** Whether a text has more than so many bytes of UTF-8; short ones are not counted. */
export function isLonger(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && new TextEncoder().encode(text).length > bytes;
}

/** Whether the name says that the value is a credential. The agent reads every variable, so people are asked to think again. */
export const isCredential = (name: string): boolean => CREDENTIAL.test(name.trim());

/** The variable that the gateway's message is about: it quotes names. */
export function variableIn(message: string, variables: readonly Variable[]): Variable | undefined {
  const quoted = /\benv (?:name )?"((?:[^"\\]|\\.)*)"/.exec(message)?.[1];
  return quoted === undefined ? undefined : variables.find(({ name }) => name.trim() === quoted);
}

/** The task as a device may keep it: the names of its variables, without what they say. */
export function withoutValues(task: Task): Task {
  return task.env ? { ...task, env: Object.fromEntries(Object.keys(task.env).map((name) => [name, ""])) } : task;
}
