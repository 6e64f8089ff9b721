import { expect, test } from "../support/app.js";

test("history and a finished task can be read without a server, and say that they are copies", async ({ app, page }) => {
  await app.signIn();
  await app.submit("Show me offline reading.");
  await expect(app.state).toHaveText("Completed");
  await expect(app.connection).toContainText("Complete log");
  await app.tab("Changes");
  await expect(page.getByText("2 files changed")).toBeVisible();
  await page.getByRole("button", { name: "Back to the tasks" }).click();
  await expect(page.getByRole("link", { name: /Show me offline reading.*Completed/ })).toBeVisible();

  app.proxy.closed = true;
  app.proxy.cutAll();
  await app.open();
  await expect(app.savedCopy).toBeVisible();
  await page.getByRole("link", { name: /Show me offline reading/ }).click();
  await expect(app.savedCopy).toBeVisible();
  await expect(app.state).toHaveText("Completed");
  await expect(app.timeline.getByTestId("row-command_execution").first()).toBeVisible();
  await app.tab("Terminal");
  await expect(app.terminal).toContainText("$ ls -la");
  await app.tab("Changes");
  await expect(page.getByText("2 files changed")).toBeVisible();
  await page.getByRole("button", { name: /README\.md/ }).click();
  await expect(page.getByTestId("diff")).toContainText("# Demo");
  await app.open("/task/00000000-0000-7000-8000-000000000000");
  await expect(page.getByRole("heading", { name: "Not kept for reading offline" })).toBeVisible({ timeout: 60_000 });

  app.proxy.closed = false;
  await app.open();
  await expect(page.getByRole("link", { name: /Show me offline reading/ })).toBeVisible();
  await expect(app.savedCopy).toHaveCount(0);
});

test("who signs out leaves nothing behind", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:say a secret about giraffes]");
  await expect(app.state).toHaveText("Completed");
  await page.getByRole("button", { name: "Back to the tasks" }).click();
  await expect.poll(async () => (await app.kept()).includes("giraffes")).toBe(true);
  await app.open("/settings");
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect.poll(async () => (await app.kept()).includes("giraffes")).toBe(false);
  // All that is left is where the server is and who signed in there; the databases are empty.
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(["servers"]);
  const [servers, ...entries] = (await app.kept()).split("\n");
  expect(JSON.parse(servers!)).toEqual({ servers: [{ url: app.web.url, isSignedIn: false, hasEnded: false, email: app.stack.ready.email }], current: app.web.url });
  expect(entries.filter((texts) => texts !== "[]")).toEqual([]);
});
