/** What is written on the phone is what Codex gets. */

import { CodexClient } from "@codex-remote/sdk";

import { expect, test } from "../support/app.js";

test("variables, model, folder and time limit reach the task, and nothing of the variables stays on the device", async ({ app, page }) => {
  await app.signIn();
  await app.open("/new");
  await page.getByLabel("What should Codex do?").fill("[demo:shell printf 'greeting=%s\\n' \"$GREETING\"]");
  await page.getByRole("button", { name: "Options" }).click();
  await page.getByLabel("Model", { exact: true }).fill("gpt-5.5");
  await page.getByLabel("Time limit in minutes").fill("1,5");
  await page.getByRole("button", { name: "Add a variable" }).click();
  const name = page.getByLabel("Name", { exact: true });

  // The gateway refuses this one whoever asks; nobody has to ask it for that.
  await name.fill("PATH");
  await expect(page.getByText(/steers the loader/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Start task" })).toBeDisabled();
  await name.fill("GREETING");
  await page.getByLabel("Value of GREETING").fill("good morning");

  // What only the gateway knows comes back to its field.
  await page.getByLabel("Folder in the repository").fill("../../outside");
  await page.getByRole("button", { name: "Start task" }).click();
  await expect(page.getByText("The task was not started")).toBeVisible();
  const folder = page.getByTestId("options").getByRole("alert").filter({ hasText: /outside/ });
  await expect(folder).toBeVisible();
  await page.getByLabel("Folder in the repository").fill("");
  await expect(folder).toHaveCount(0);

  await page.getByRole("button", { name: "Start task" }).click();
  await page.waitForURL(/\/task\/[^/]+$/);
  await expect(app.state).toHaveText("Completed");
  await expect(app.timeline.getByText("greeting=good morning").first()).toBeVisible();

  const { url, email, password } = app.stack.ready;
  const client = new CodexClient({ baseURL: url, auth: { email, password } });
  const id = page.url().split("/").at(-1) ?? "";
  expect(await client.tasks.get(id)).toMatchObject({ model: "gpt-5.5", env: { GREETING: "good morning" }, timeout_seconds: 90 });

  // The prompt is remembered, the variables are nowhere: neither in the form nor in what the browser keeps.
  await app.open("/new");
  await page.getByRole("button", { name: "Options" }).click();
  await expect(page.getByLabel("Model", { exact: true })).toHaveValue("gpt-5.5");
  await expect(page.getByLabel("Name", { exact: true })).toHaveCount(0);
  const kept = await page.evaluate(() => JSON.stringify(Object.entries(localStorage)));
  expect(kept).toContain("demo:shell");
  expect(kept).not.toContain("good morning");
});
