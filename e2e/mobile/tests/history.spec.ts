import { CodexClient } from "@codex-remote/sdk";

import { expect, test } from "../support/sso.js";

const TASKS = 300;
/** How many requests are on their way at a time. */
const AT_ONCE = 12;

test("three hundred tasks: all of them by scrolling, one by searching, some by their state", async ({ app, page, stack }) => {
  const { url, email, password } = stack.ready;
  const client = new CodexClient({ baseURL: url, auth: { email, password } });
  const word = `herd-${process.pid}`;
  const ids: string[] = [];
  const each = async (count: number, work: (index: number) => Promise<unknown>) => {
    const queue = Array.from({ length: count }, (_, index) => index);
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let index = queue.shift(); index !== undefined; index = queue.shift()) await work(index);
    }));
  };
  const entries = page.getByTestId("history").getByRole("link").filter({ visible: true });
  const total = page.getByTestId("total").filter({ visible: true });
  try {
    // They wait in the queue behind the few that run, and never start.
    await each(TASKS, async (index) => ids.push((await client.createTask(`[fake:until /nowhere] ${word} number ${index} of them`)).task_id));
    await app.signIn();
    await page.getByLabel("Search tasks").fill(word);
    await expect(total).toContainText("50 of 300");
    // Down to the end, page after page, as a thumb does it.
    const seen = new Set<string>();
    const down = async () => {
      for (const title of await page.getByTestId("entry-title").allInnerTexts()) seen.add(title);
      await page.getByTestId("history").evaluate((list) => (list.scrollTop = list.scrollHeight));
      return total.innerText();
    };
    await expect.poll(down, { timeout: 60_000, intervals: [50] }).not.toContain(" of ");
    await expect.poll(async () => (await down(), seen.size)).toBe(TASKS);
    await expect(total).toContainText("300");

    await page.getByLabel("Search tasks").fill(`${word} number 17 of`);
    await expect(entries).toHaveCount(1);
    await expect(entries).toContainText("number 17 of them");
    await page.getByLabel("Search tasks").fill(word);

    await each(60, (index) => client.tasks.cancel(ids[ids.length - 1 - index]!));
    await page.getByRole("radio", { name: "Canceled" }).click();
    // The list is read again by itself, until the last of them has ended.
    await expect(total).toContainText("50 of 60", { timeout: 60_000 });
    await page.getByRole("radio", { name: "All" }).click();
    await expect(total).toContainText("300");
  } finally {
    await each(ids.length, (index) => client.tasks.cancel(ids[index]!).catch(() => {}));
  }
});
