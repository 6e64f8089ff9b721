/** Administration: people, their tokens, and what is on record of them. */

import { readFileSync } from "node:fs";

import { CodexClient } from "@codex-remote/sdk";
import type { Browser, Page } from "@playwright/test";

import { type App, expect, test } from "../support/app.js";

let people = 0;
const address = () => `person-${Date.now()}-${people++}@example.test`;

const adminOf = ({ stack }: App) => new CodexClient({ baseURL: stack.ready.url, auth: { email: stack.ready.email, password: stack.ready.password } });

/** A browser of somebody else. */
async function another(browser: Browser, app: App, email: string, password: string): Promise<{ page: Page; close: () => Promise<void> }> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(app.stack.ready.url);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  return { page, close: () => context.close() };
}

test("somebody is added, watched over, shut out and removed", async ({ app, page, browser }) => {
  test.setTimeout(150_000);
  const email = address();
  await app.signIn();
  await page.getByRole("link", { name: "Admin" }).click();
  await expect(page).toHaveURL(/\/admin\/users\/$/);
  await page.getByRole("button", { name: "Add user" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Email").fill(app.stack.ready.email);
  await dialog.getByRole("button", { name: "Generate" }).click();
  const password = await dialog.getByLabel("Password").inputValue();
  expect(password).toMatch(/^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
  await dialog.getByRole("button", { name: "Add" }).click();
  await expect(dialog.getByRole("alert")).toContainText("there is a user with this email already");
  await dialog.getByLabel("Email").fill(email);
  await dialog.getByRole("button", { name: "Add" }).click();
  await expect(dialog).toBeHidden();
  await page.getByLabel("Search users").fill(email);
  const row = page.getByRole("listitem");
  await expect(row).toHaveCount(1);
  await expect(row).toContainText("never signed in");

  const other = await another(browser, app, email, password);
  await expect(other.page.getByRole("link", { name: "Admin" })).toHaveCount(0);
  await other.page.goto(`${app.stack.ready.url}/admin/audit/`);
  await expect(other.page.getByRole("heading", { name: "For administrators only" })).toBeVisible();
  await expect(other.page.getByText(email)).toBeVisible();
  const client = new CodexClient({ baseURL: app.stack.ready.url, auth: { email, password } });
  const { task_id: task } = await client.createTask("[demo:sleep 600]");

  const menu = page.getByRole("button", { name: `Actions for ${email}` });
  const act = async (name: string) => {
    await menu.click();
    await page.getByRole("menuitem", { name }).click();
  };
  const question = page.getByRole("alertdialog");
  await act("Disable …");
  await expect(question).toContainText("Sessions, API tokens and open streams end at once");
  await expect(question).toContainText("1 task of theirs is under way. It goes on");
  await question.getByRole("button", { name: "Disable" }).click();
  await expect(question).toBeHidden();
  await expect(menu).toBeFocused();
  await expect(row).toContainText("Disabled");
  await other.page.goto(app.stack.ready.url);
  await expect(other.page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await other.close();

  await act("Enable …");
  await question.getByRole("button", { name: "Enable" }).click();
  await expect(row).not.toContainText("Disabled");
  await act("Make administrator …");
  await question.getByRole("button", { name: "Make administrator" }).click();
  await expect(row).toContainText("Administrator");
  await act("Set password …");
  await page.getByRole("dialog").getByLabel("Password").fill("another password");
  await page.getByRole("dialog").getByRole("button", { name: "Set password" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await new CodexClient({ baseURL: app.stack.ready.url, auth: { email, password: "another password" } }).me();

  await act("Remove …");
  await expect(question).toContainText("cancel it or wait for it first");
  await question.getByRole("button", { name: "Remove" }).click();
  await expect(question.getByRole("alert")).toContainText("1 tasks of this user have not ended");
  await question.getByRole("link", { name: "Show the tasks" }).click();
  await expect(page.getByLabel("Search tasks")).toHaveValue(email);
  await expect(page.getByRole("listitem")).toHaveCount(1);
  await adminOf(app).tasks.cancel(task);
  await expect(page.getByRole("listitem")).toContainText("Canceled", { timeout: 30_000 });

  await app.open("/admin/users/");
  await page.getByLabel("Search users").fill(email);
  await expect(row).toHaveCount(1);
  await act("Remove …");
  await question.getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("heading", { name: "Nobody matches" })).toBeVisible();
  await page.getByRole("button", { name: "Clear the search" }).click();
  await expect(page.getByRole("listitem").first()).toBeVisible();
});

test("one's own account cannot be shut from here, and the keyboard is enough", async ({ app, page }) => {
  await app.signIn();
  await app.open("/admin/users/");
  await page.getByLabel("Search users").fill(app.stack.ready.email);
  await expect(page.getByRole("listitem")).toHaveCount(1);
  const menu = page.getByRole("button", { name: `Actions for ${app.stack.ready.email}` });
  await menu.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("menuitem").first()).toBeFocused();
  await expect(page.getByRole("menuitem", { name: "Disable …" })).toHaveCount(0);
  await page.keyboard.press("ArrowDown");
  await expect(page.getByRole("menuitem", { name: "Set password …" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog").getByLabel("Password")).toBeFocused();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(menu).toBeFocused();
  // The last administrator stays one, and the gateway says why.
  await menu.click();
  await page.getByRole("menuitem", { name: "Make user …" }).click();
  await expect(page.getByRole("alertdialog")).toContainText("This is you");
  await page.getByRole("alertdialog").getByRole("button", { name: "Make user" }).click();
  await expect(page.getByRole("alertdialog").getByRole("alert")).toContainText("last administrator");
});

test("an API token is shown once, works, and is revoked", async ({ app, browser, request }) => {
  const { url, email, password } = app.stack.ready;
  const person = { email: address(), password: "correct horse battery" };
  await adminOf(app).users.create(person);
  const { page, close } = await another(browser, app, person.email, person.password);
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "No API tokens" })).toBeVisible();
  await page.getByRole("button", { name: "New token" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("nightly build");
  await dialog.getByLabel("look at tasks").uncheck();
  await dialog.getByLabel("start and cancel").uncheck();
  await dialog.getByRole("button", { name: "Make the token" }).click();
  await expect(dialog.getByRole("alert")).toContainText("Choose at least one thing");
  await dialog.getByLabel("look at tasks").check();
  await dialog.getByLabel("Runs out after").selectOption("30 days");
  await dialog.getByRole("button", { name: "Make the token" }).click();
  const made = page.getByRole("alertdialog");
  const secret = await made.getByLabel("Token").inputValue();
  expect(secret).toMatch(/^crr_[0-9A-Za-z]{46}$/);
  // A click beside it does not lose it.
  await page.mouse.click(5, 5);
  await made.getByRole("button", { name: "I have it" }).click();
  const me = () => request.get(`${url}/api/me`, { headers: { Authorization: `Bearer ${secret}` } });
  expect(await (await me()).json()).toMatchObject({ email: person.email, scopes: ["tasks:read"] });
  await page.reload();
  await expect(page.getByText("nightly build")).toBeVisible();
  expect(await page.content()).not.toContain(secret);

  // An administrator finds and ends it.
  const admin = await another(browser, app, email, password);
  await admin.page.goto(`${url}/admin/users/`);
  await admin.page.getByLabel("Search users").fill(person.email);
  await admin.page.getByRole("button", { name: `Actions for ${person.email}` }).click();
  await admin.page.getByRole("menuitem", { name: "API tokens …" }).click();
  await admin.page.getByRole("button", { name: "Revoke nightly build" }).click();
  await expect(admin.page.getByRole("alertdialog")).toContainText("This cannot be undone");
  await admin.page.getByRole("alertdialog").getByRole("button", { name: "Revoke" }).click();
  await expect(admin.page.getByText("They have none.")).toBeVisible();
  await admin.close();
  expect((await me()).status()).toBe(401);
  await page.reload();
  await expect(page.getByRole("heading", { name: "No API tokens" })).toBeVisible();
  await close();
});

test("one's password is changed without losing the session", async ({ app, page, browser }) => {
  const [email, password, next] = [address(), "correct horse battery", "another battery"];
  await adminOf(app).users.create({ email, password });
  const other = await another(browser, app, email, password);
  await other.page.getByRole("link", { name: "Settings" }).click();
  await other.page.getByRole("button", { name: "Change password" }).click();
  const dialog = other.page.getByRole("dialog");
  await dialog.getByLabel("Current password").fill("wrong");
  await dialog.getByLabel("New password").fill(next);
  await dialog.getByRole("button", { name: "Change it" }).click();
  await expect(dialog.getByRole("alert")).toContainText("current password is wrong");
  await dialog.getByLabel("Current password").fill(password);
  await dialog.getByRole("button", { name: "Change it" }).click();
  await expect(other.page.getByText("The password is changed.")).toBeVisible();
  await other.page.reload();
  await expect(other.page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await other.close();
  const again = await another(browser, app, email, next);
  await again.close();
  await page.close();
});

test("the audit log is filtered, goes on as it is scrolled, and is taken away as a file", async ({ app, page }) => {
  test.setTimeout(150_000);
  const [email, password] = [address(), "correct horse battery"];
  const admin = adminOf(app);
  const { id } = await admin.users.create({ email, password });
  const person = new CodexClient({ baseURL: app.stack.ready.url, auth: { email, password } });
  for (let count = 0; count < 60; count++) await person.tokens.revoke((await person.tokens.create({ name: `token ${count}`, scopes: ["tasks:read"] })).id);

  await app.signIn();
  await page.getByRole("link", { name: "Admin" }).click();
  await page.getByRole("link", { name: "Audit log" }).click();
  await page.getByLabel("Who").fill(email);
  await page.getByLabel("Who").press("Enter");
  const rows = page.getByRole("listitem");
  await expect(rows.first()).toContainText("API token revoked");
  // The record grows at the other end meanwhile; what is read goes on where it was.
  await person.tokens.create({ name: "one more", scopes: ["tasks:read"] });
  await expect(async () => {
    await rows.last().scrollIntoViewIfNeeded();
    await expect(page.getByText("This is the beginning of the record.")).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 30_000 });
  await expect(rows).toHaveCount(121);
  await expect(rows.last()).toContainText("Signed in");
  await page.getByRole("button", { name: "Refresh" }).click();
  await expect(rows.first()).toContainText("API token made");

  // The filter is in the address, and outlives a reload.
  await page.getByRole("combobox", { name: "What" }).selectOption("Signed in");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(rows).toHaveCount(1);
  expect(new URL(page.url()).searchParams.get("action")).toBe("auth.login");
  await page.reload();
  await expect(rows).toHaveCount(1);
  await expect(page.getByLabel("Who")).toHaveValue(email);

  const exported = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export as NDJSON" }).click();
  const file = await exported;
  expect(file.suggestedFilename()).toBe("audit.ndjson");
  const lines = readFileSync(await file.path(), "utf8").trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([expect.objectContaining({ actor: email, action: "auth.login", user_id: id })]);
  await expect(page.getByText("Exported 1 entries")).toBeVisible();

  await page.getByLabel("To what").fill("nothing");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page.getByRole("heading", { name: "No entry matches" })).toBeVisible();
  await page.getByLabel("To what").fill(`user:${id}`);
  await page.getByLabel("Who").fill("");
  await page.getByRole("combobox", { name: "What" }).selectOption("Anything");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(rows.last()).toContainText("User added");
  await page.getByLabel("From", { exact: true }).fill("2099-01-01T00:00");
  await page.getByRole("button", { name: "Apply" }).click();
  await expect(page.getByRole("heading", { name: "No entry matches" })).toBeVisible();
});
