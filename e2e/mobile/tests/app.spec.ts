/** The app as a page, at the size of a phone, against a real `codex-remote up`: who signs in, starts, cancels, looks for and leaves tasks. */

import { type App, expect, test } from "../support/app.js";

/** Screens that lie below another one stay in the page, unseen. */
const inSight = (app: App, text: string | RegExp) => app.page.getByText(text).filter({ visible: true });

test("a server is added by its address; what is there has to be a gateway", async ({ app, page }) => {
  await app.open();
  const address = page.getByLabel("Server address");
  await address.fill("http://codex.example.com");
  await page.getByRole("button", { name: "Continue", exact: true }).click();
  await expect(page.getByText(/Use the https address/)).toBeVisible();
  // The app's own page is a server too, but none of ours: everything there is answered with the page.
  await address.fill(app.web.url.replace("127.0.0.1", "localhost"));
  await page.route(/\/auth\/methods$/, (route) => route.fulfill({ status: 200, contentType: "text/html", body: "<html></html>" }));
  await page.getByRole("button", { name: "Continue", exact: true }).click();
  await expect(page.getByText(/it is no Codex gateway/)).toBeVisible();
  await page.unroute(/\/auth\/methods$/);
  await address.fill(app.web.url);
  await page.getByRole("button", { name: "Continue", exact: true }).click();
  await expect(page.getByText(/not encrypted/)).toBeVisible();
});

test("a wrong password is refused in words, the right one opens the app, and a reload keeps it open", async ({ app, page }) => {
  await app.open();
  await page.getByLabel("Server address").fill(app.web.url);
  await page.getByRole("button", { name: "Continue", exact: true }).click();
  await page.getByLabel("Email").fill(app.stack.ready.email);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText(/^Request /)).toBeVisible();
  await expect(page.getByLabel("Password")).toHaveValue("");
  await page.getByLabel("Password").fill(app.stack.ready.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Tasks", exact: true })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Tasks", exact: true })).toBeVisible();
});

test("a task is written, started, watched to its end, and found again", async ({ app, page }) => {
  await app.signIn();
  await page.getByRole("tab", { name: "New task" }).click();
  const prompt = `Change the greeting ${Date.now()}`;
  const start = page.getByRole("button", { name: "Start task" });
  await expect(start).toBeDisabled();
  await page.getByLabel("What should Codex do?").fill(prompt);
  await start.click();
  await page.waitForURL(/\/task\/[^/]+$/);
  await expect(app.state).toHaveText("Completed");
  await page.goBack();
  // The field is free, and the prompt is kept for the next time.
  await expect(page.getByLabel("What should Codex do?")).toHaveValue("");
  await expect(page.getByRole("button", { name: prompt })).toBeVisible();
  await page.getByRole("tab", { name: "Tasks" }).click();
  await page.getByLabel("Search tasks").fill(prompt.slice(-13));
  const entries = page.getByTestId("history").getByRole("link").filter({ visible: true });
  await expect(entries).toHaveCount(1);
  await expect(entries).toContainText(prompt);
  await page.getByRole("radio", { name: "Canceled" }).click();
  await expect(inSight(app, "No task matches")).toBeVisible();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await entries.filter({ hasText: prompt }).click();
  await expect(app.state).toHaveText("Completed");
});

test("cancelling asks first, and then ends the task", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:sleep 600]");
  await expect(app.state).toHaveText("Running");
  const cancel = page.getByRole("button", { name: "Cancel", exact: true });
  await cancel.click();
  await page.getByRole("button", { name: "Let it run" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await cancel.click();
  await page.getByRole("button", { name: "Cancel the task" }).click();
  await expect(app.state).toHaveText("Canceled");
});

test("a link leads through the sign-in to its task, and a prompt of a link waits in the field", async ({ app, page }) => {
  await app.signIn();
  await app.submit("Say hello");
  await expect(app.state).toHaveText("Completed");
  const path = new URL(page.url()).pathname;
  const id = path.split("/").at(-1) ?? "";
  await app.open(`/open?server=${encodeURIComponent(app.web.url)}&task=${id}`);
  await page.waitForURL(new RegExp(`${path}$`));
  await app.open(`/open?server=${encodeURIComponent("https://evil.example.com")}&task=${id}`);
  await expect(inSight(app, /evil.example.com, which is none of your servers/)).toBeVisible();
  await app.open("/new?prompt=Fix%20the%20sign");
  await expect(page.getByLabel("What should Codex do?")).toHaveValue("Fix the sign");
  await page.getByLabel("What should Codex do?").fill("");
  await app.open("/settings");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  await app.open(path);
  await page.getByLabel("Password").fill(app.stack.ready.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(app.state).toHaveText("Completed");
  await page.waitForURL(new RegExp(`${path}$`));
});

test("signing out ends the session at the gateway, and leaves nothing of it in the browser", async ({ app, page }) => {
  await app.signIn();
  await app.submit("Say something secret-to-keep");
  await expect(app.state).toHaveText("Completed");
  const kept = () => page.evaluate(() => JSON.stringify(Object.entries(localStorage)));
  const { refreshToken } = await page.evaluate(() => JSON.parse((Object.entries(localStorage) as [string, string][]).find(([key]) => key.startsWith("session."))?.[1] ?? "{}") as { refreshToken: string });
  expect(await kept()).toContain("secret-to-keep");
  await app.open("/settings");
  await page.getByRole("button", { name: "Sign out" }).click();
  // The session is over in the app at once, and at the gateway when that has been told.
  const told = page.waitForResponse((response) => response.url().endsWith("/auth/logout"));
  await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Password")).toBeVisible();
  await told;
  expect(await kept()).not.toContain("secret-to-keep");
  expect(await kept()).not.toContain("refreshToken");
  const again = await fetch(`${app.stack.ready.url}/auth/refresh`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ refresh_token: refreshToken }) });
  expect(again.status).toBe(401);
});
