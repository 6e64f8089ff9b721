/** Streams of thousands of lines through what a phone meets on its way. The Codex of these tasks is scripted, so that the test says when lines flow. */

import { createPrivateKey, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { BrowserContext } from "@playwright/test";
import { CodexClient } from "@codex-remote/sdk";
import { Terminal } from "@codex-remote/view";

import { seeded } from "../../node/proxy.js";
import type { Stack } from "../../node/stack.js";
import type { App } from "../support/app.js";
import { expect, test } from "../support/sso.js";

let gates = 0;

/** A place in a task where it waits until the test opens it. */
function gate(stack: Stack): { directive: string; open: () => void } {
  const name = `open-${process.pid}-${++gates}`;
  return { directive: `[fake:until /srv/repos/demo/${name}]`, open: () => writeFileSync(join(stack.dir, "demo", name), "") };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);
const onlyLines = (text: string) => text.split("\n").filter((line) => /^line \d+$/.test(line));

const admin = ({ ready: { url, email, password } }: Stack) => new CodexClient({ baseURL: url, auth: { email, password } });

/** Holds what the app has of a task against what the gateway has on record: all of it, and the lines by themselves, which no code of ours has touched. */
async function expectWhole(app: App, context: BrowserContext, lines: string[]): Promise<void> {
  const id = new URL(app.page.url()).pathname.split("/").at(-1) ?? "";
  await expect(app.state).toHaveText("Completed", { timeout: 90_000 });
  await expect(app.connection).toContainText("Complete", { timeout: 90_000 });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await app.tab("Terminal");
  await app.page.getByRole("button", { name: "Copy all" }).click();
  await expect(app.page.getByRole("button", { name: "Copied" })).toBeVisible();
  const copied = await app.page.evaluate(() => navigator.clipboard.readText());
  const client = admin(app.stack);
  const fresh = new Terminal(50_000);
  for await (const event of client.events(id)) if ("id" in event) fresh.add(event);
  expect(copied).toBe(fresh.lines.map((line) => line.text).join("\n"));
  const record = onlyLines(await client.tasks.log(id, { format: "text" }));
  expect(record).toEqual(lines);
  expect(onlyLines(copied)).toEqual(lines);
}

/** What the app keeps of its session, as a thief or a test would find it. */
const session = (app: App) =>
  app.page.evaluate(() => {
    const [key = "", text = "{}"] = (Object.entries(localStorage) as [string, string][]).find(([name]) => name.startsWith("session.")) ?? [];
    return { key, tokens: JSON.parse(text) as { accessToken: string; refreshToken: string; renewAt: number } };
  });

/** Puts another access token in the place of the app's: the same, but its time is over. The gateway's own key has signed it. */
async function expire(app: App): Promise<void> {
  const { key, tokens } = await session(app);
  const [header = "", claims = ""] = tokens.accessToken.split(".");
  const past = Math.floor(Date.now() / 1000) - 60;
  const old = { ...(JSON.parse(Buffer.from(claims, "base64url").toString()) as object), iat: past - 900, exp: past };
  const text = `${header}.${Buffer.from(JSON.stringify(old)).toString("base64url")}`;
  const signature = sign(null, Buffer.from(text), createPrivateKey(readFileSync(join(app.stack.data, "secrets/jwt.key.pem"))));
  const accessToken = `${text}.${signature.toString("base64url")}`;
  await app.page.evaluate(([key, value]) => localStorage.setItem(key!, value!), [key, JSON.stringify({ ...tokens, accessToken })]);
}

test("ten thousand lines over fifty connections, each cut in the middle of anything", async ({ app, stack, context }) => {
  const wait = gate(stack);
  await app.signIn();
  await app.submit(`${wait.directive}[fake:lines 10000]`);
  await expect(app.connection).toContainText("Live");
  const random = seeded(7);
  const before = app.proxy.cuts;
  app.proxy.cutAfter = () => (app.proxy.cuts - before < 50 ? 1 + Math.floor(random() * 12_000) : null);
  app.proxy.cutAll();
  wait.open();
  await expectWhole(app, context, numbers(1, 10_000));
  expect(app.proxy.cuts - before).toBeGreaterThanOrEqual(50);
  expect(app.web.askedAfter.length).toBeGreaterThan(30);
});

test("a gateway that is killed while ten thousand lines flow", async ({ app, stack, context }) => {
  const [first, second] = [gate(stack), gate(stack)];
  await app.signIn();
  await app.submit(`[fake:lines 5000]${first.directive}[fake:lines 5000]${second.directive}[fake:lines 10]`);
  await app.tab("Terminal");
  await expect(app.terminal).toContainText("line 5000");
  first.open();
  stack.kill9("gateway");
  await expect(app.connection).toContainText(/Connection lost|Connecting/);
  await expect(app.connection).toContainText("Live", { timeout: 60_000 });
  second.open();
  await expectWhole(app, context, [...numbers(1, 5_000), ...numbers(1, 5_000), ...numbers(1, 10)]);
});

test("a task that ends long after the phone was put away: nothing is asked meanwhile, and all of it is there afterwards", async ({ app, stack, context }) => {
  const wait = gate(stack);
  await app.signIn();
  await app.submit(`[fake:lines 100]${wait.directive}[fake:lines 5000]`);
  await app.tab("Terminal");
  await expect(app.terminal).toContainText("line 100");
  await app.turn("hidden");
  await expect.poll(() => app.web.openStreams).toBe(0);
  await expect.poll(() => app.web.openRequests).toBe(0);
  const asked = app.web.requests;
  wait.open();
  const id = new URL(app.page.url()).pathname.split("/").at(-1) ?? "";
  const client = admin(stack);
  await expect.poll(async () => (await client.tasks.get(id)).status).toBe("completed");
  expect(app.web.requests).toBe(asked);
  await app.turn("visible");
  await expectWhole(app, context, [...numbers(1, 100), ...numbers(1, 5_000)]);
});

test("an access token that runs out during a stream is exchanged, and nothing is missing or there twice", async ({ app, page, stack, context }) => {
  const [first, second] = [gate(stack), gate(stack)];
  let exchanges = 0;
  page.on("request", (request) => (exchanges += Number(request.url().endsWith("/auth/refresh") && request.method() === "POST")));
  await app.signIn();
  await app.submit(`[fake:lines 100]${first.directive}[fake:lines 100]${second.directive}[fake:lines 100]`);
  await app.tab("Terminal");
  await expect(app.terminal).toContainText("line 100");
  // The gateway refuses it: whoever looks at the clock of the phone has not seen it coming.
  await expire(app);
  app.proxy.cutAll();
  first.open();
  await expect.poll(() => exchanges).toBe(1);
  await expect(app.connection).toContainText("Live");
  // The phone sees it coming.
  const { key, tokens } = await session(app);
  await page.evaluate(([key, value]) => localStorage.setItem(key!, value!), [key, JSON.stringify({ ...tokens, renewAt: 0 })]);
  app.proxy.cutAll();
  second.open();
  await expect.poll(() => exchanges).toBe(2);
  await expectWhole(app, context, [...numbers(1, 100), ...numbers(1, 100), ...numbers(1, 100)]);
  expect(exchanges).toBe(2);
});

test("a session that is ended elsewhere during a stream leads to the sign-in, which says why, and nothing is left of it", async ({ app, page, stack }) => {
  const wait = gate(stack);
  await app.signIn();
  await app.submit(`a secret plan ${wait.directive}`);
  await expect(app.connection).toContainText("Live");
  const { tokens } = await session(app);
  const ended = await fetch(`${stack.ready.url}/auth/logout`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ refresh_token: tokens.refreshToken }) });
  expect(ended.ok).toBe(true);
  await expire(app);
  app.proxy.cutAll();
  await expect(page.getByText("Your session at this server is over")).toBeVisible();
  await expect.poll(() => app.kept()).not.toContain("secret plan");
  expect(await app.kept()).not.toContain("refreshToken");
  wait.open();
  await page.getByLabel("Email").fill(stack.ready.email);
  await page.getByLabel("Password").fill(stack.ready.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("link", { name: /a secret plan.*Completed/ })).toBeVisible();
});

for (const events of ["hold", "refuse"] as const) {
  test(`where a proxy would ${events} server-sent events a WebSocket takes over, and is taken up by number`, async ({ app, page, stack, context }) => {
    const [first, second] = [gate(stack), gate(stack)];
    await app.signIn();
    app.web.events = events;
    await app.submit(`[fake:lines 1000]${first.directive}[fake:lines 1000]${second.directive}[fake:lines 10]`);
    await expect(app.connection).toContainText("Live", { timeout: 60_000 });
    await app.tab("Terminal");
    await expect(app.terminal).toContainText("line 1000");
    expect(app.web.sockets).toHaveLength(1);
    app.proxy.cutAll();
    first.open();
    await expect.poll(() => app.web.sockets.length).toBeGreaterThan(1);
    expect(app.web.sockets.at(-1)).toBeGreaterThanOrEqual(1_000);
    // What came through is remembered: the next screen does not wait again.
    const asked = app.web.askedAfter.length;
    await page.getByRole("button", { name: "Back to the tasks" }).click();
    await page.getByTestId("history").getByRole("link").filter({ visible: true }).first().click();
    await expect(app.connection).toContainText("Live");
    expect(app.web.askedAfter).toHaveLength(asked);
    second.open();
    await expectWhole(app, context, [...numbers(1, 1_000), ...numbers(1, 1_000), ...numbers(1, 10)]);
  });
}
