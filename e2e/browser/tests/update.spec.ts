import type { Page } from "@playwright/test";

import { expect, test } from "../support/app.js";

/** The names of all chunks that the page has loaded, in this and any other way. */
const chunks = (page: Page) =>
  page.evaluate(() => {
    const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
    return [...new Set(loaded.filter((path) => path.startsWith("/_next/static/chunks/")))];
  });

const shells = (page: Page) => page.evaluate(async () => (await caches.keys()).sort());
const served = async (page: Page) => ((await (await page.request.get(new URL("/build.json", page.url()).href)).json()) as { build: string }).build;

test.afterEach(({ web }) => web.reset());

test("a page keeps to its build while the gateway is updated, and offers the new one", async ({ app, page, context, stack, web }) => {
  await app.signIn();
  await app.submit("Show me an update.");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  // A fresh page that has not needed the parts for Markdown and for changes yet.
  const url = `${page.url().split("&")[0]}&view=terminal`;
  await page.goto(url);
  await expect(app.connection).toHaveText("Complete");
  await app.readyForOffline();
  const before = await served(page);

  web.exchange("Codex Renewed");
  stack.kill9("gateway");
  const gone = (await chunks(page))[0]!;
  await expect.poll(async () => (await page.request.get(stack.ready.url + gone).catch(() => null))?.status(), { timeout: 30_000 }).toBe(404);
  const after = await served(page);
  expect(after).not.toBe(before);

  // The old page goes on, with what it loads only now.
  await app.tab("Timeline");
  await expect(page.locator(".markdown strong").first()).toBeVisible();
  await app.tab("Changes");
  await expect(page.locator(".hljs-section").first()).toBeVisible();
  const old = await chunks(page);
  for (const path of old) expect((await page.request.get(stack.ready.url + path)).status(), path).toBe(404);
  await expect(page.getByText("A new version is there.")).toBeHidden();
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await expect(page.getByText("A new version is there.")).toBeVisible();
  await expect.poll(() => shells(page)).toEqual([`codex-remote.shell.${after}`, `codex-remote.shell.${before}`].sort());
  await expect(page.getByRole("banner").getByRole("link", { name: "Codex Remote" })).toBeVisible();

  // A page that is opened now is all new, and says nothing of a new version.
  const other = await context.newPage();
  await other.goto(url);
  await expect(other.getByRole("banner").getByRole("link", { name: "Codex Renewed" })).toBeVisible();
  await expect(other.getByRole("tab", { name: "Terminal" })).toBeVisible();
  expect((await chunks(other)).filter((path) => old.includes(path))).toEqual([]);

  // An old page that goes to another page stays what it is until it is told otherwise, and then is all new.
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  const fresh = await chunks(other);
  expect((await chunks(page)).filter((path) => fresh.includes(path))).toEqual([]);
  await page.getByRole("button", { name: "Reload" }).click();
  await expect(page.getByRole("banner").getByRole("link", { name: "Codex Renewed" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  expect((await chunks(page)).filter((path) => old.includes(path))).toEqual([]);
  await expect(page.getByText("A new version is there.")).toBeHidden();

  // What no page needs any more is let go with the next update.
  web.exchange("Codex Again");
  const third = await served(page);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await expect.poll(() => shells(page)).toEqual([`codex-remote.shell.${after}`, `codex-remote.shell.${third}`].sort());
  await page.getByRole("button", { name: "Reload" }).click();
  await expect(page.getByRole("banner").getByRole("link", { name: "Codex Again" })).toBeVisible();

  // Without a network, all of it is of the newest build that was there.
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByRole("banner").getByRole("link", { name: "Codex Again" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await context.setOffline(false);
});

test("a shell that is not of one build is not kept", async ({ app, page, web }) => {
  await app.signIn();
  await app.readyForOffline();
  const before = await shells(page);
  web.exchange("Codex Mixed");
  // As if the page came from a gateway of another build than the worker.
  web.spoil("index.html");
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  const failed = await page.evaluate(async () => {
    const registration = (await navigator.serviceWorker.getRegistration())!;
    await registration.update().catch(() => {});
    const worker = registration.installing;
    if (!worker) return "no worker";
    return new Promise<string>((done) => {
      const look = () => worker.state !== "installing" && done(worker.state);
      worker.addEventListener("statechange", look);
      look();
    });
  });
  expect(failed).toBe("redundant");
  expect(await shells(page)).toEqual(before);
  app.expectComplaint(/integrity/);
});
