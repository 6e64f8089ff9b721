import { expect, test } from "../support/app.js";

test("sign in, submit, watch, done", async ({ app, page }) => {
  await app.signIn();
  await app.submit("Demonstrate what you do.");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Demonstrate what you do.");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await expect(app.connection).toHaveText("Complete");
  const timeline = page.getByRole("log", { name: "Timeline" });
  await expect(timeline.locator('[data-kind="command_execution"]').first()).toBeVisible();

  await app.tab("Terminal");
  await expect(page.getByRole("log", { name: "Terminal" })).toContainText("$ ");

  await app.tab("Changes");
  await expect(page.getByText("2 files changed")).toBeVisible();
  await expect(page.locator('[data-change="insert"]')).toHaveCount(7);
  await expect(page.locator(".hljs-section").first()).toBeVisible();

  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await expect(page.getByRole("link", { name: /Demonstrate what you do/ }).first()).toContainText("Completed");
});

test("a reload in the middle shows the same, and the rest as it comes", async ({ app, page, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 60 20]");
  const timeline = page.getByRole("log", { name: "Timeline" });
  await expect(timeline).toContainText("message 10", { timeout: 30_000 });
  stack.holdModel(30);
  await page.reload();
  await expect(app.connection).toHaveText("Live", { timeout: 30_000 });
  stack.releaseModel();
  await expect(timeline).toContainText("message 60", { timeout: 60_000 });
  await expect(app.state).toHaveText("Completed");
  await app.tab("Terminal");
  // Only what is in view is in the page, wherever that is; the search knows all.
  const numbers = await terminalNumbers(page);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => numbers[0]! + index));
  await page.getByLabel("Search in the log").fill("message ");
  await expect(page.getByText("0 of 60")).toBeVisible();
});

test("a gateway that is killed is noticed, and nothing is missing or there twice", async ({ app, page, stack }) => {
  await app.signIn();
  stack.holdModel(10);
  await app.submit("[demo:messages 100 20]");
  await expect(page.getByRole("log", { name: "Timeline" })).toContainText("message 10", { timeout: 30_000 });
  stack.kill9("gateway");
  stack.holdModel(50);
  await expect(app.connection).toHaveText(/Connection lost|Connecting/);
  await expect(app.connection).toHaveText("Live", { timeout: 30_000 });
  stack.releaseModel();
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await app.tab("Terminal");
  await page.getByLabel("Search in the log").fill("message ");
  await expect(page.getByText("0 of 100")).toBeVisible();
});

test("a task is canceled after a question", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:sleep 600]");
  await expect(app.state).toHaveText("Running", { timeout: 30_000 });
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  const dialog = page.getByRole("alertdialog");
  await dialog.getByRole("button", { name: "Let it run" }).click();
  await expect(dialog).toBeHidden();
  await expect(app.state).toHaveText("Running");
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await dialog.getByRole("button", { name: "Cancel the task" }).click();
  await expect(app.state).toHaveText("Canceled", { timeout: 30_000 });
  await app.tab("Changes");
  await expect(page.getByRole("heading", { name: "No changes" })).toBeVisible();
});

test("a failed command is found and says how it ended", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:fail]");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await page.getByRole("button", { name: "Next error (1)" }).click();
  await expect(page.locator('[data-kind="command_execution"]')).toContainText("exit 3");
});

test("a long log follows its end, yields to the reader, and can be searched", async ({ app, page, stack }) => {
  await app.signIn();
  stack.holdModel(100);
  await app.submit("[demo:messages 300 10]");
  await app.tab("Terminal");
  const log = page.getByRole("log", { name: "Terminal" });
  const distance = () => log.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  await expect(log).toContainText("message 100", { timeout: 60_000 });
  await expect.poll(distance).toBeLessThan(60);
  await log.hover();
  await page.mouse.wheel(0, -600);
  await expect(page.getByRole("button", { name: "Jump to the end" })).toBeVisible();
  const top = await log.evaluate((element) => element.scrollTop);
  const height = await log.evaluate((element) => element.scrollHeight);
  stack.holdModel(200);
  await expect.poll(() => log.evaluate((element) => element.scrollHeight)).toBeGreaterThan(height + 200);
  expect(await log.evaluate((element) => element.scrollTop)).toBe(top);
  await page.getByRole("button", { name: "Jump to the end" }).click();
  await expect.poll(distance).toBeLessThan(60);

  await page.getByRole("button", { name: "Pause" }).click();
  stack.releaseModel();
  await expect(page.getByRole("button", { name: /Resume · \d+ new/ })).toBeVisible();
  await page.getByRole("button", { name: "Resume", exact: true }).click();

  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  const search = page.getByLabel("Search in the log");
  await search.fill("message 123");
  await expect(page.getByText("0 of 1")).toBeVisible();
  await search.press("Enter");
  await expect(log.locator("mark")).toHaveText("message 123");

  await page.getByRole("link", { name: "Line 100", exact: true }).first().waitFor({ state: "attached" });
  await page.goto(`${page.url().split("#")[0]}#L100`);
  await page.reload();
  await expect(page.getByRole("link", { name: "Line 100", exact: true })).toBeInViewport();
});

/** The numbers of the messages that the terminal shows now. */
async function terminalNumbers(page: import("@playwright/test").Page): Promise<number[]> {
  const text = await page.getByRole("log", { name: "Terminal" }).innerText();
  return [...text.matchAll(/^message (\d+)$/gm)].map((match) => Number(match[1]));
}
