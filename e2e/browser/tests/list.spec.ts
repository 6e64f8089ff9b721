/** The list of tasks while it grows at the other end. */

import { CodexClient } from "@codex-remote/sdk";

import { expect, test } from "../support/app.js";

const PASSWORD = "correct horse battery";

test("nothing is missing and nothing is there twice while new tasks arrive", async ({ app, page }) => {
  test.setTimeout(180_000);
  const { url, email, password } = app.stack.ready;
  const admin = new CodexClient({ baseURL: url, auth: { email, password } });
  // Somebody of their own, whose list has nothing else.
  const reader = { email: `reader-${Date.now()}@example.test`, password: PASSWORD };
  const { id } = await admin.users.create(reader);
  const client = new CodexClient({ baseURL: url, auth: reader });
  const ids: string[] = [];
  const submit = async (count: number) => {
    for (let number = 0; number < count; number++) ids.push((await client.createTask(`[demo:sleep 600] ${ids.length}`)).task_id);
  };
  const shown = () => page.getByRole("listitem").getByRole("link").evaluateAll((links) => links.map((link) => new URL((link as HTMLAnchorElement).href).searchParams.get("id")));
  try {
    await submit(60);
    await app.open();
    await page.getByLabel("Email").fill(reader.email);
    await page.getByLabel("Password").fill(reader.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { name: /^Tasks/ })).toContainText("50 of 60");
    // Without a page in between, five new ones would push five old ones over the edge of the first page.
    await submit(5);
    await page.getByRole("listitem").last().scrollIntoViewIfNeeded();
    await expect.poll(async () => (await shown()).length).toBeGreaterThan(50);
    await submit(5);
    const isAll = async () => {
      await page.getByRole("listitem").last().scrollIntoViewIfNeeded();
      const now = await shown();
      expect(new Set(now).size, "a task is there twice").toBe(now.length);
      // Whatever is shown is an unbroken part of the list, the newest of which may not have been read yet.
      const newest = ids.indexOf(now[0]!);
      expect(now).toEqual(ids.slice(0, newest + 1).reverse().slice(0, now.length));
      return now.length;
    };
    await expect.poll(isAll, { timeout: 60_000 }).toBe(70);
    await expect(page.getByRole("heading", { name: /^Tasks/ })).toHaveText("Tasks 70");
  } finally {
    await admin.users.update(id, { disabled: true });
    await Promise.all(ids.map((task) => admin.tasks.cancel(task).catch(() => {})));
  }
});
