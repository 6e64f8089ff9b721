import { expect, test } from "../support/app.js";

test("a wrong password says so, and a session outlives a reload and ends with sign-out", async ({ app, page }) => {
  await app.open();
  await page.getByLabel("Email").fill(app.stack.ready.email);
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("main").getByRole("alert")).toContainText("email or password is wrong");
  await app.signIn();
  await page.reload();
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await page.reload();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
});

test("the policy of the page allows nothing that stands in it but what was exported", async ({ app, page }) => {
  const response = await page.goto(app.stack.ready.url);
  const policy = response!.headers()["content-security-policy"]!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    document.body.append(script);
  });
  expect(await page.title()).not.toBe("owned");
  app.expectComplaint(/Content Security Policy/);
});

test("the list is searched and filtered", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:say about zebras]");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await page.getByLabel("Search tasks").fill("zebras");
  await expect(page.getByRole("listitem")).toHaveCount(1);
  await page.getByLabel("State").selectOption("Failed");
  await expect(page.getByRole("heading", { name: "No task matches" })).toBeVisible();
  await page.getByRole("button", { name: "Clear the filter" }).click();
  await page.getByRole("link", { name: /zebras/ }).first().click();
  await expect(app.state).toHaveText("Completed");
});

test("a mistake in the form is shown where it is", async ({ app, page }) => {
  await app.signIn();
  await page.getByText("Options").click();
  await page.getByRole("button", { name: "Add a variable" }).click();
  await page.getByLabel("Name", { exact: true }).fill("LD_PRELOAD");
  await page.getByLabel("What should Codex do?").fill("[demo:say hi]");
  const name = page.getByLabel("Name", { exact: true });
  await expect(name).toHaveAttribute("aria-invalid", "true");
  await expect(name).toHaveAccessibleDescription(/steers the loader.*refused/);
  // What the gateway would refuse is not sent, and when it is right it can be.
  await expect(page.getByRole("button", { name: "Start task" })).toBeDisabled();
  await name.fill("GREETING");
  await expect(name).not.toHaveAttribute("aria-invalid", "true");
  await expect(page.getByRole("button", { name: "Start task" })).toBeEnabled();
  await page.reload();
  await expect(page.getByLabel("What should Codex do?")).toHaveValue("[demo:say hi]");
});

test("settings survive", async ({ app, page }) => {
  await app.signIn();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Appearance").selectOption("Dark");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByLabel("Lines kept").selectOption("50,000 lines");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect(page.getByLabel("Lines kept")).toHaveValue("50000");
});

test("a task that is not there, and an address that leads nowhere", async ({ app, page }) => {
  await app.signIn();
  await app.open("/task/?id=00000000-0000-7000-8000-000000000000");
  await expect(page.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
  const response = await page.goto(`${app.stack.ready.url}/nowhere`);
  expect(response!.status()).toBe(404);
  await expect(page.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
});

test("without a network the page says so", async ({ app, page, context }) => {
  await app.signIn();
  await context.setOffline(true);
  await expect(page.getByText("You are offline.")).toBeVisible();
  await context.setOffline(false);
  await expect(page.getByText("You are offline.")).toBeHidden();
});
