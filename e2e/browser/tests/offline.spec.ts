import { expect, test } from "../support/app.js";
import { keptText, putOnShelf, shelf } from "../support/storage.js";
import { Proxy } from "../../node/proxy.js";

const tokens = (page: import("@playwright/test").Page) =>
  page.evaluate(() => JSON.parse(localStorage.getItem("codex-remote.session")!) as { accessToken: string; refreshToken: string });

test("without a gateway the tasks that were seen last can be read, and say how old they are", async ({ app, page, stack }) => {
  const proxy = await Proxy.start(stack.ready.url);
  app.base = proxy.url;
  await app.signIn();
  await app.submit("Show me offline reading.");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await app.tab("Changes");
  await expect(page.getByText("2 files changed")).toBeVisible();
  const url = page.url();
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await expect(page.getByRole("link", { name: /Show me offline reading/ }).first()).toContainText("Completed");
  await app.readyForOffline();
  await expect(page.locator("[data-saved]")).toHaveCount(0);

  proxy.closed = true;
  proxy.cutAll();
  const reloaded = await page.reload();
  expect(reloaded!.fromServiceWorker()).toBe(true);
  const policy = reloaded!.headers()["content-security-policy"]!;
  expect(policy).toContain("'sha256-");
  expect(policy).not.toContain("unsafe");
  await expect(page.locator("[data-saved]")).toBeVisible();
  await page.getByRole("link", { name: /Show me offline reading/ }).first().click();
  await expect(page).toHaveURL(/\/task\/\?id=/);
  const timeline = page.getByRole("log", { name: "Timeline" });
  await expect(timeline.locator(".markdown").first()).toBeVisible();
  await expect(timeline.locator('[data-kind="command_execution"]').first()).toBeVisible();
  await expect(page.locator("[data-saved]")).toBeVisible();
  await expect(app.connection).toHaveText(/Connection lost/);
  await app.tab("Terminal");
  await expect(page.getByRole("log", { name: "Terminal" })).toContainText("$ ls -la");
  // The same by its address.
  await page.goto(url.replace("view=changes", "view=timeline"));
  await app.tab("Changes");
  await expect(page.getByText("2 files changed")).toBeVisible();
  await expect(page.locator(".hljs-section").first()).toBeVisible();
  await page.goto(`${proxy.url}/task/?id=00000000-0000-7000-8000-000000000000`);
  await expect(page.getByRole("heading", { name: "Not kept for reading offline" })).toBeVisible({ timeout: 30_000 });

  proxy.closed = false;
  await page.goto(url);
  await expect(page.getByText("2 files changed")).toBeVisible();
  await expect(app.connection).toHaveText("Complete");
  await expect(page.locator("[data-saved]")).toHaveCount(0);
  await proxy.stop();
});

test("a task that ran when it was last seen is not said to run on", async ({ app, page, stack }) => {
  const proxy = await Proxy.start(stack.ready.url);
  app.base = proxy.url;
  await app.signIn();
  await app.submit("[demo:sleep 600]");
  await expect(app.state).toHaveText("Running", { timeout: 30_000 });
  await app.readyForOffline();
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  await expect.poll(async () => (await shelf(page)).some(([key]) => key.startsWith("log:"))).toBe(true);
  proxy.closed = true;
  proxy.cutAll();
  await page.goBack();
  await page.reload();
  await expect(page.locator("[data-saved]")).toBeVisible();
  const clock = page.locator("header .tabular-nums");
  const before = await clock.innerText();
  // Each attempt to connect takes longer than a second of the clock would.
  await expect(app.connection).toHaveText(/Connection lost/);
  expect(await clock.innerText()).toBe(before);

  proxy.closed = false;
  await expect(app.connection).toHaveText("Live", { timeout: 30_000 });
  await expect(page.locator("[data-saved]")).toHaveCount(0, { timeout: 30_000 });
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await page.getByRole("button", { name: "Cancel the task" }).click();
  await expect(app.state).toHaveText("Canceled", { timeout: 30_000 });
  await proxy.stop();
});

test("nothing of a user is left after the session, and nothing of another one is shown", async ({ app, page, context, stack }) => {
  await app.signIn();
  await app.submit("[demo:say a secret about giraffes]");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await expect(page.getByRole("link", { name: /giraffes/ }).first()).toContainText("Completed");
  await app.readyForOffline();
  await expect.poll(async () => (await keptText(page)).includes("giraffes")).toBe(true);
  const { accessToken, refreshToken } = await tokens(page);
  const before = await keptText(page);
  expect(before).not.toContain(accessToken);
  expect(before).not.toContain(refreshToken);
  expect(before).not.toMatch(/^https?:[^\n]*\/(?:api|auth)\//m);
  const left = await shelf(page);
  expect(left.length).toBeGreaterThan(0);

  const email = `other-${Date.now()}@example.com`;
  const password = "correct horse battery staple";
  const made = await page.request.post(`${stack.ready.url}/api/users`, { headers: { authorization: `Bearer ${accessToken}` }, data: { email, password, role: "user" } });
  expect(made.status(), await made.text()).toBe(201);

  // A second tab that stays open all the while.
  const other = await context.newPage();
  await other.goto(stack.ready.url);
  await expect(other.getByRole("link", { name: /giraffes/ }).first()).toBeVisible();
  await page.getByLabel("What should Codex do?").fill("an unsent thought about giraffes");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect(other.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect.poll(() => shelf(page)).toEqual([]);
  expect(await keptText(page)).not.toContain("giraffes");

  // Even what could not be removed stays unseen.
  await putOnShelf(page, left);
  await app.signIn(email, password);
  await expect(page.getByRole("heading", { name: "No tasks yet" })).toBeVisible();
  await expect(page.getByLabel("What should Codex do?")).toHaveValue("");
  await expect(other.getByRole("heading", { name: "No tasks yet" })).toBeVisible();
  await putOnShelf(page, left.filter(([key]) => key.includes(":")));
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByText("You are offline.")).toBeVisible();
  await expect(page.getByText("giraffes")).toHaveCount(0);
  const id = left.find(([key]) => key.startsWith("task:"))![0].slice("task:".length);
  await page.goto(`${stack.ready.url}/task/?id=${id}`);
  await expect(page.getByRole("heading", { name: "Not kept for reading offline" })).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText("giraffes")).toHaveCount(0);
  await context.setOffline(false);
});

test("who does not want copies in the browser has none", async ({ app, page }) => {
  await app.signIn();
  await expect.poll(async () => (await shelf(page)).length).toBeGreaterThan(0);
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("switch", { name: "Keep tasks for reading offline" }).uncheck();
  await expect.poll(() => shelf(page)).toEqual([]);
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await expect(page.getByRole("listitem").first()).toBeVisible();
  await page.reload();
  await expect(page.getByRole("listitem").first()).toBeVisible();
  expect(await shelf(page)).toEqual([]);
});
