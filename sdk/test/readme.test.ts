/** The examples of the README run as they stand there. */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, expect, inject, test } from "vitest";

const gateway = inject("gateway");
const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map((match) => match[1]!);
// Inside the package, so that its name leads to what was built.
const dir = mkdtempSync(join(import.meta.dirname, "../.examples-"));
afterAll(() => rmSync(dir, { recursive: true }));

async function run(example: string): Promise<string> {
  const file = join(dir, "example.mjs");
  writeFileSync(file, example);
  const env = { ...process.env, CODEX_URL: gateway.url, CODEX_EMAIL: gateway.email, CODEX_PASSWORD: gateway.password };
  const { stdout } = await promisify(execFile)(process.execPath, [file], { env, timeout: 60_000 });
  return stdout;
}

test("there are five of them", () => expect(examples).toHaveLength(5));

test("callbacks", async () => {
  const output = await run(examples[0]!);
  expect(output).toContain("thread.started\n");
  expect(output.trim().split("\n").at(-1)).toBe("completed");
});

test("the iterator", async () => expect(await run(examples[1]!)).toMatch(/^\d+ command_execution$/m));

test("looking things up", async () => {
  const output = await run(examples[2]!);
  expect(output).toContain("/srv/repos/demo");
  expect(output).toMatch(/^[0-9a-f-]{36} \d+$/m);
});

test("all tasks", async () => expect(await run(examples[3]!)).toMatch(/completed: [1-9]/));

test("administration", async () => {
  const output = await run(examples[4]!);
  expect(output).toContain("[ 'tasks:read', 'tasks:write' ]");
  expect(output).toMatch(/^\S+ admin@localhost api_token\.create api_token:/m);
});
