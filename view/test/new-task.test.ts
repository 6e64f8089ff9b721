import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { MOST_VARIABLES, REFUSED_NAMES, REFUSED_PREFIXES, type Variable, envFaults, envOf, isCredential, oneMore, variableIn, withoutValues } from "../src/env.js";
import { LONGEST_PROMPT, type TaskDraft, chosen, faultsOf, isFaulty, limitOf, secondsOf, taskOf } from "../src/new-task.js";
import { words } from "../src/words.js";

const repository = (path: string, more = {}) => ({ name: path, path, description: null, default: false, model: null, timeout_seconds: null, ...more }) as never;
const draft = (more: Partial<TaskDraft> = {}): TaskDraft => ({ prompt: "Do it", folder: "", model: "", minutes: "", variables: [], ...more });
const rows = (...pairs: [name: string, value: string][]): Variable[] => pairs.map(([name, value], index) => ({ key: index + 1, name, value }));
const { envFault } = words.composer;

test("the names that are refused are those of the gateway", () => {
  const source = readFileSync(new URL("../../crds/src/env_policy.rs", import.meta.url), "utf8");
  const listed = (name: string) => [...(new RegExp(`const ${name}: &\\[&str\\] = &\\[([^\\]]*)\\]`).exec(source)?.[1] ?? "").matchAll(/"([^"]+)"/g)].map((match) => match[1]);
  expect([...REFUSED_NAMES].sort()).toEqual(listed("REFUSED_NAMES").sort());
  expect([...REFUSED_PREFIXES].sort()).toEqual(listed("REFUSED_PREFIXES").sort());
  expect(REFUSED_NAMES.length).toBeGreaterThan(40);
});

test("variables become what the gateway takes; empty rows are left out", () => {
  expect(envOf([])).toBeUndefined();
  expect(envOf(oneMore([]))).toBeUndefined();
  expect(envOf(rows([" RUST_LOG ", " debug "], ["", ""], ["CI", ""]))).toEqual({ RUST_LOG: " debug ", CI: "" });
  expect(oneMore(oneMore([])).map(({ key }) => key)).toEqual([1, 2]);
});

test.each([
  ["1A", "x", envFault.malformed],
  ["A-B", "x", envFault.malformed],
  ["Ä", "x", envFault.malformed],
  ["x".repeat(129), "x", envFault.malformed],
  ["PATH", "x", envFault.refused],
  ["https_proxy", "x", envFault.refused],
  ["ld_preload", "x", envFault.refused],
  ["CODEX_HOME", "x", envFault.refused],
  ["A", "ä".repeat(4_097), envFault.value],
  ["A", "\0", envFault.value],
  ["", "x", envFault.nameless],
])("the variable %s is refused before anything is sent", (name, value, fault) => {
  expect(envFaults(rows([name, value]))).toEqual(new Map([[1, fault]]));
});

test("what the gateway takes is no fault", () => {
  expect(envFaults(rows(["RUST_LOG", "debug"], ["_x1", ""], ["x".repeat(128), "ä".repeat(4_096)], ["", ""]))).toEqual(new Map());
});

test("a name is there once, and there are not too many", () => {
  expect(envFaults(rows(["A", "1"], ["a", "2"], ["A ", "3"]))).toEqual(new Map([[3, envFault.twice]]));
  const many = rows(...Array.from({ length: MOST_VARIABLES + 1 }, (_, index): [string, string] => [`A${index}`, ""]));
  expect(envFaults(many)).toEqual(new Map([[MOST_VARIABLES + 1, envFault.tooMany(MOST_VARIABLES)]]));
});

test("names of credentials are known", () => {
  for (const name of ["GITHUB_TOKEN", "db_password", "API_KEY", "STRIPE_SECRET", "DB_PASS", "SIGNING_KEY"]) expect(isCredential(name)).toBe(true);
  for (const name of ["RUST_LOG", "KEYBOARD", "MONKEY", "COMPASS", "AUTHOR", ""]) expect(isCredential(name)).toBe(false);
});

test("what the gateway says of a variable is found at its row", () => {
  const variables = rows(["A", "1"], ["MY_NAME", "2"]);
  expect(variableIn('env name "MY_NAME" is not on the allow-list; allowed are: CI', variables)?.key).toBe(2);
  expect(variableIn('the value of env "A" has a NUL character', variables)?.key).toBe(1);
  expect(variableIn('env name "OTHER" is refused', variables)).toBeUndefined();
  expect(variableIn("env has 65 variables", variables)).toBeUndefined();
});

test("the repository of the last time, else the default one, else the first", () => {
  const known = [repository("/a"), repository("/b", { default: true })];
  expect(chosen(known, "/a")?.path).toBe("/a");
  expect(chosen(known, "/gone")?.path).toBe("/b");
  expect(chosen([repository("/a")], "")?.path).toBe("/a");
  expect(chosen([], "")).toBeUndefined();
});

test("minutes are read as people write them", () => {
  expect([" ", "1,5", "0.001", "1440", "1441", "0", "-1", "x"].map(secondsOf)).toEqual([undefined, 90, 1, 86_400, null, null, null, null]);
  expect(limitOf(repository("/a", { timeout_seconds: 1_800 }))).toBe(30);
  expect(limitOf(undefined)).toBe(60);
});

test("a whole draft becomes a task", () => {
  expect(taskOf(draft({ folder: " /web//src/ ", model: " large ", minutes: "2", variables: rows(["CI", "1"]) }), repository("/srv/demo"))).toEqual({
    prompt: "Do it",
    cwd: "/srv/demo/web/src",
    env: { CI: "1" },
    model: "large",
    timeout_seconds: 120,
  });
  expect(taskOf(draft(), undefined)).toEqual({ prompt: "Do it" });
});

test("faults stand at their fields", () => {
  expect(isFaulty(faultsOf(draft({ model: "gpt-5.2/x:1", minutes: "5" })))).toBe(false);
  expect(faultsOf(draft({ prompt: "ä".repeat(LONGEST_PROMPT / 2 + 1) })).prompt).toMatch(/256 KiB/);
  expect(faultsOf(draft({ prompt: "ä".repeat(LONGEST_PROMPT / 2) })).prompt).toBeNull();
  for (const model of ["-x", "a b", "x".repeat(129)]) expect(isFaulty(faultsOf(draft({ model })))).toBe(true);
  expect(faultsOf(draft({ minutes: "x" })).minutes).toMatch(/1 to 1440/);
  expect(isFaulty(faultsOf(draft({ variables: rows(["PATH", "x"]) })))).toBe(true);
});

test("what is kept of a task has the names of its variables only", () => {
  const task = { task_id: "1", env: { LEVEL: "s3cret" } } as never;
  expect(withoutValues(task)).toEqual({ task_id: "1", env: { LEVEL: "" } });
  expect(task).toEqual({ task_id: "1", env: { LEVEL: "s3cret" } });
  expect(withoutValues({ task_id: "1" } as never)).toEqual({ task_id: "1" });
});
