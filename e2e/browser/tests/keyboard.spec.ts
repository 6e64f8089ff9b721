import { expect, test } from "../support/app.js";

test("the keyboard leads everywhere, and the list of keys says how", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:fail] for the keyboard");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await page.keyboard.press("?");
  const dialog = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await expect(dialog).toBeVisible();
  expect(await app.violations()).toEqual([]);
  // In a dialog the keys do nothing.
  await page.keyboard.press("2");
  await page.keyboard.press("Escape");
  await expect(dialog).toBeHidden();
  await expect(page.getByRole("tab", { name: "Timeline" })).toHaveAttribute("aria-selected", "true");

  const marked = page.locator("article.outline-2");
  await page.keyboard.press("j");
  await expect(marked).toHaveCount(1);
  const first = await marked.getAttribute("id");
  await page.keyboard.press("j");
  await expect(marked).not.toHaveId(first!);
  await page.keyboard.press("k");
  await expect(marked).toHaveId(first!);
  await page.keyboard.press("e");
  await expect(marked).toContainText("exit 3");
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search in the log")).toBeFocused();
  await page.keyboard.type("jke2");
  await expect(page.getByText("no match")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.keyboard.press("2");
  await expect(page.getByRole("tab", { name: "Terminal" })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("3");
  await expect(page.getByRole("heading", { name: "No changes" })).toBeVisible();

  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page.getByLabel("What should Codex do?")).toBeFocused();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: /for the keyboard/ })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(app.state).toHaveText("Completed");

  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.getByRole("switch", { name: "Keyboard shortcuts" }).uncheck();
  await page.keyboard.press("?");
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await expect(dialog).toBeHidden();
});

test("the timeline is searched", async ({ app, page }) => {
  await app.signIn();
  await app.submit("[demo:messages 300]");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await expect(app.connection).toHaveText("Complete");
  const search = page.getByLabel("Search in the log");
  await search.fill("MESSAGE 12");
  // 12, and 120 to 129.
  await expect(page.getByText("0 of 11")).toBeVisible();
  await search.press("Enter");
  await expect(page.locator("article.outline-2")).toContainText("message 12");
  await expect(page.locator("article.outline-2")).toBeInViewport();
  await search.press("Shift+Enter");
  await expect(page.getByText("11 of 11")).toBeVisible();
  await expect(page.locator("article.outline-2")).toContainText("message 129");
  await expect(page.locator("article.outline-2")).toBeInViewport();
});

test("long lines are wrapped when that is wanted, and lines keep their numbers and places", async ({ app, page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await app.signIn();
  await app.submit("[demo:shell printf 'a%.0s' $(seq 1 900); echo; echo after]");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  await app.tab("Terminal");
  const log = page.getByRole("log", { name: "Terminal" });
  await expect(log).toContainText("after");
  const line = log.locator("[data-index]", { hasText: /a{900}/ }).last();
  const height = async () => (await line.boundingBox())!.height;
  const wide = () => log.evaluate((element) => element.scrollWidth - element.clientWidth);
  expect(await height()).toBe(20);
  expect(await wide()).toBeGreaterThan(0);
  await page.getByRole("button", { name: "Wrap lines" }).click();
  await expect(page.getByRole("button", { name: "Wrap lines" })).toHaveAttribute("aria-pressed", "true");
  await expect.poll(height).toBeGreaterThan(40);
  expect(await wide()).toBe(0);
  // No line lies over another.
  await expect
    .poll(() =>
      log.locator("[data-index]").evaluateAll((lines) => {
        const boxes = lines.map((line) => line.getBoundingClientRect()).sort((a, b) => a.top - b.top);
        return boxes.slice(1).every((box, index) => Math.abs(box.top - boxes[index]!.bottom) < 1);
      }),
    )
    .toBe(true);
  await page.reload();
  await expect(page.getByRole("button", { name: "Wrap lines" })).toHaveAttribute("aria-pressed", "true");
  await expect.poll(height).toBeGreaterThan(40);
  await page.keyboard.press("w");
  await expect.poll(height).toBe(20);

  await page.getByRole("button", { name: "Copy all" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/\$ printf[^\n]*\na{900}\nafter/);
  await app.tab("Timeline");
  await page.locator('[data-kind="command_execution"]').getByRole("button", { name: "Copy" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^\$ printf[^\n]*\na{900}\nafter/);
});
