/** Every screen in light, dark and on a phone: nothing that axe finds, nothing wider than the screen, and a picture of it. */

import { expect, test } from "../support/app.js";
import { looker, looks } from "../support/looks.js";

const PROMPT = "Document this repository, and mention what the script prints";
/** Two commands and the plan itself. */
const RESULTS_UNTIL_PLAN = 3;
/** What people ask for; the second line tells the demo model what to play. */
const others = [
  { prompt: "Explain how the retries of the HTTP client work\n[demo:say The client tries three times, waits twice as long each time, and gives up on 4xx.]", state: "Completed" },
  { prompt: "Find out why the nightly build fails\n[demo:fail]", state: "Completed" },
  { prompt: "Move the configuration to TOML, and keep reading the old files\n[demo:error 400]", state: "Failed" },
];

for (const { name, width, height, scheme } of looks) {
  test.describe(`in ${name}`, () => {
    test.use({ viewport: { width, height }, colorScheme: scheme, deviceScaleFactor: 2, contextOptions: { reducedMotion: "reduce" } });

    test("all screens", async ({ app, page, context, stack }) => {
      test.setTimeout(180_000);
      const look = looker(app, name);
      await app.open();
      await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
      await look("sign-in");
      await app.signIn();
      for (const { prompt, state } of others) {
        await app.submit(prompt);
        await expect(app.state).toHaveText(state, { timeout: 60_000 });
        if (state === "Failed") await look("failed");
        await page.getByRole("link", { name: "Tasks", exact: true }).click();
      }
      await page.getByText("Options").click();
      await page.getByRole("button", { name: "Add a variable" }).click();
      await look("home");
      await page.getByRole("button", { name: "Remove the variable" }).click();
      await page.getByText("Options").click();

      // The model holds its breath after the plan, so the task is in the middle of it for as long as that takes.
      stack.holdModel(RESULTS_UNTIL_PLAN);
      try {
        await app.submit(PROMPT);
        await expect(page.locator('[data-kind="todo_list"]')).toBeVisible({ timeout: 30_000 });
        await expect(app.connection).toHaveText("Live");
        // Whatever was on its way has come.
        await expect(page.locator('[data-kind="command_execution"]', { hasText: "running" })).toHaveCount(0);
        await expect(app.state).toHaveText("Running");
        await look("running");
      } finally {
        stack.releaseModel();
      }
      await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
      await expect(app.connection).toHaveText("Complete");
      await look("timeline");
      await app.tab("Terminal");
      await look("terminal");
      await app.tab("Changes");
      await expect(page.getByText("2 files changed")).toBeVisible();
      await expect(page.locator(".hljs-section").first()).toBeVisible();
      await look("changes");
      await app.tab("Details");
      await look("details");
      await page.getByRole("link", { name: "Tasks", exact: true }).click();
      await expect(page.getByRole("listitem").first()).toBeVisible();

      await app.submit("Wait for the review\n[demo:sleep 600]");
      await expect(app.state).toHaveText("Running", { timeout: 30_000 });
      await page.getByRole("button", { name: "Cancel", exact: true }).click();
      await expect(page.getByRole("alertdialog")).toBeVisible();
      await look("cancel");
      await page.getByRole("button", { name: "Cancel the task" }).click();
      await expect(app.state).toHaveText("Canceled", { timeout: 30_000 });
      await page.keyboard.press("?");
      await expect(page.getByRole("dialog")).toBeVisible();
      await look("shortcuts");
      await page.keyboard.press("Escape");

      await page.getByRole("link", { name: "Tasks", exact: true }).click();
      await expect(page.getByRole("link", { name: /Wait for the review/ }).first()).toContainText("Canceled");
      await page.getByLabel("Search tasks").fill("zzz");
      await expect(page.getByRole("heading", { name: "No task matches" })).toBeVisible();
      await page.getByRole("heading", { name: "No task matches" }).scrollIntoViewIfNeeded();
      await look("nothing-found");
      await page.getByRole("button", { name: "Clear the filter" }).click();
      await page.getByRole("heading", { name: /^Tasks/ }).evaluate((heading) => heading.scrollIntoView({ block: "center" }));
      await look("list");
      await page.getByRole("link", { name: "Settings" }).click();
      await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
      await look("settings");

      await page.getByRole("link", { name: "Tasks", exact: true }).click();
      await page.getByRole("link", { name: new RegExp(PROMPT) }).first().click();
      await expect(app.connection).toHaveText("Complete");
      await app.readyForOffline();
      await context.setOffline(true);
      await page.reload();
      await expect(page.locator("[data-saved]")).toBeVisible();
      await expect(page.locator("article .markdown").first()).toBeVisible();
      await look("offline");
      await context.setOffline(false);
    });
  });
}
