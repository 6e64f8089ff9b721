/** Every screen as it is seen: pictures, what axe finds, targets for fingers, and nothing wider than the screen. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { Page } from "@playwright/test";

import { takePicture } from "../../browser/support/pictures.js";
import { type App, expect, test } from "../support/app.js";

const axe = readFileSync(createRequire(new URL("../../browser/package.json", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");

const looks = [
  { name: "phone", width: 390, height: 844, scheme: "light", isAsked: true },
  { name: "phone-dark", width: 390, height: 844, scheme: "dark", isAsked: true },
  // The same screens, in the same colours: only how they are laid out is another.
  { name: "small", width: 320, height: 568, scheme: "dark", isAsked: false },
  { name: "side", width: 844, height: 390, scheme: "light", isAsked: false },
  { name: "tablet", width: 1180, height: 820, scheme: "light", isAsked: true },
  { name: "tablet-upright", width: 820, height: 1180, scheme: "dark", isAsked: false },
] as const;

/** The pictures that are checked in; all of them are in `target/browser-pictures` after a run without `CODEX_PICTURES`. */
const kept = ["tasks-phone", "compose-phone", "task-phone-dark", "task-tablet"];
/** What a finger hits for sure, in points: WCAG 2.5.5, and what Apple asks for. */
const TARGET = 44;

/** WCAG 2.2 A and AA, and good practice that has a reason here; the bar at the bottom is a list of tabs, which is no landmark (`region`). */
const rules = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], rules: { region: { enabled: false } } };

/** `isAsked`: whether axe is, which takes longer than all the rest. */
async function look(app: App, screen: string, { name: as, isAsked }: { name: string; isAsked: boolean } = looks[0]): Promise<void> {
  const { page } = app;
  if (!process.env["CODEX_PICTURES"] || kept.includes(`${screen}-${as}`)) await takePicture(page, `mobile-${screen}-${as}`);
  if (isAsked) expect.soft(await violations(page), `${screen} on a ${as}`).toEqual([]);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect.soft(wide, `${screen} is wider than the screen of a ${as}`).toBeLessThanOrEqual(0);
  expect.soft(await tooSmall(page), `targets of ${screen} on a ${as}`).toEqual([]);
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async (rules) => {
    const { axe } = globalThis as unknown as { axe: { run: (where: Document, options: unknown) => Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await axe.run(document, rules);
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 300)} ${node.failureSummary ?? ""}`));
  }, rules);
}

/** What can be touched and is smaller than a finger. Links in a text are as high as the text. */
const tooSmall = (page: Page) =>
  page.evaluate((least) => {
    const targets = document.querySelectorAll<HTMLElement>("button, input, textarea, [role=button], [role=tab], [role=radio], [role=link], [role=switch]");
    return [...targets].flatMap((target) => {
      const { width, height } = target.getBoundingClientRect();
      const isSeen = target.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && width > 0;
      const isInText = getComputedStyle(target).display === "inline";
      if (!isSeen || isInText || (width >= least && height >= least)) return [];
      return [`${Math.round(width)}x${Math.round(height)}: ${target.getAttribute("aria-label") ?? target.textContent}`];
    });
  }, TARGET);

/** Leads to a task with this prompt, which tests before this one may have started. */
async function startOnce(app: App, prompt: string, state: string): Promise<void> {
  await app.open("/");
  await expect(app.page.getByTestId("total").filter({ visible: true })).toBeVisible();
  const link = entry(app.page, new RegExp(prompt.split("\n", 1)[0]!.slice(0, 30).replace(/[[\]]/g, "\\$&")));
  if (await link.isVisible()) await link.click();
  else await app.submit(prompt);
  await expect(app.state).toHaveText(state);
}

/** The list, wherever it stands; screens that lie below others stay in the page, unseen. */
const entry = (page: Page, name: RegExp) => page.getByTestId("history").getByRole("link", { name }).filter({ visible: true }).first();

for (const as of looks) {
  const { name, width, height, scheme } = as;
  test(`the screens on a ${name}`, async ({ app, page }) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
    await app.open();
    await page.getByLabel("Server address").fill("http://codex.example.com");
    await page.getByRole("button", { name: "Continue", exact: true }).click();
    await expect(page.getByText(/Use the https address/)).toBeVisible();
    await look(app, "server", as);
    await page.getByLabel("Server address").fill(app.web.url);
    await page.getByRole("button", { name: "Continue", exact: true }).click();
    await expect(page.getByLabel("Password")).toBeVisible();
    await page.getByLabel("Email").fill(app.stack.ready.email);
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page.getByText(/^Request /)).toBeVisible();
    await look(app, "sign-in", as);
    await page.getByLabel("Password").fill(app.stack.ready.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page.getByRole("heading", { name: "Tasks", exact: true })).toBeVisible();
    await startOnce(app, "Change the greeting of the program, and say in the README how to call it.", "Completed");
    await startOnce(app, "Say what this repository is for.", "Completed");
    await startOnce(app, "Publish the release notes.\n[demo:error 400]", "Failed");
    await expect(page.getByTestId("outcome")).toContainText("Codex failed:");
    await look(app, "failed", as);
    await app.open("/new");
    await page.getByLabel("What should Codex do?").fill("Find out why the nightly build is slow, and make it faster.");
    await page.getByRole("button", { name: "Options" }).click();
    await expect(page.getByLabel("Model")).toBeVisible();
    await look(app, "compose", as);
    await page.getByLabel("What should Codex do?").fill("");
    await app.open("/settings");
    await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
    await look(app, "settings", as);
    await page.getByRole("button", { name: /^Appearance/ }).click();
    await expect(page.getByRole("radio", { name: "Dark" })).toBeVisible();
    await look(app, "choice", as);
    await page.getByRole("button", { name: "Close" }).click();
    await app.open("/");
    await expect(entry(page, /Change the greeting of the program/)).toBeVisible();
    await expect(page.getByText(/A saved copy, seen/)).toHaveCount(0);
    await look(app, "tasks", as);
    await page.getByLabel("Search tasks").fill("nothing is called like this");
    await expect(page.getByText("No task matches").filter({ visible: true })).toBeVisible();
    await look(app, "no-match", as);
    await page.getByRole("button", { name: "Empty the field" }).click();
    await entry(page, /Change the greeting of the program/).click();
    await expect(app.connection).toContainText("Complete log");
    await look(app, "task", as);
    await app.tab("Terminal");
    await expect(app.terminal).toContainText("$ ls -la");
    await look(app, "terminal", as);
    await app.tab("Changes");
    await expect(page.getByText("2 files changed")).toBeVisible();
    await look(app, "changes", as);
    await page.getByRole("button", { name: /README\.md/ }).click();
    await expect(page.getByTestId("diff")).toContainText("# Demo");
    await look(app, "file", as);
    await app.tab("Details");
    await expect(page.getByRole("heading", { name: "Prompt" })).toBeVisible();
    await look(app, "details", as);
    await app.open("/task/00000000-0000-7000-8000-000000000000");
    await expect(page.getByRole("heading", { name: "There is nothing here" })).toBeVisible();
    await look(app, "nothing", as);
    await app.open("/open?server=https%3A%2F%2Fcodex.example.com&task=00000000-0000-7000-8000-000000000000");
    await expect(page.getByText(/which is none of your servers/)).toBeVisible();
    await look(app, "foreign", as);
  });
}

test("what a program says in colours, and in lines without an end, is drawn as it should be", async ({ app, page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "light" });
  await app.signIn();
  await app.submit(String.raw`[demo:shell printf '\033[1;31mred and bold\033[0m\n'; head -c 2000 /dev/zero | tr '\0' x]`);
  await expect(app.state).toHaveText("Completed");
  await app.tab("Terminal");
  const red = app.terminal.getByText("red and bold", { exact: true }).first();
  await expect(red).toHaveCSS("color", "rgb(179, 38, 30)");
  await expect(red).toHaveCSS("font-weight", "700");
  const line = app.terminal.getByTestId("line").filter({ hasText: /x{2000}/ }).first();
  const text = await line.evaluate((line) => line.lastElementChild!.getBoundingClientRect().right);
  expect(text).toBeLessThanOrEqual(390);
  await look(app, "colours");
  await startOnce(app, `Say${"ThisWordIsLongerThanTheScreen".repeat(6)}`, "Completed");
  await app.open("/");
  const state = entry(page, /^SayThisWord/).getByTestId("state");
  await expect(state).toBeVisible();
  expect(await state.evaluate((state) => state.getBoundingClientRect().right)).toBeLessThanOrEqual(390);
  await look(app, "long-word");
});

test("a running task, the question before it is cancelled, and what is said of its end", async ({ app, page, stack }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await app.signIn();
  stack.holdModel(0);
  await app.submit("[demo:messages 3]");
  await expect(app.state).toHaveText("Running");
  await expect(page.getByTestId("announced")).toHaveText("Running");
  await look(app, "running");
  const cancel = page.getByRole("button", { name: "Cancel", exact: true });
  await cancel.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "Cancel this task?" });
  await expect(dialog).toHaveCount(1);
  // What is read first is what it is about, and a key that is pressed twice cancels nothing.
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe("Cancel this task?");
  await look(app, "question");
  for (const next of ["Cancel the task", "Let it run"]) {
    await page.keyboard.press("Tab");
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe(next);
  }
  await page.keyboard.press("Tab");
  expect(await dialog.evaluate((dialog) => dialog.contains(document.activeElement))).toBe(true);
  await page.keyboard.press("Escape");
  await expect(dialog).toHaveCount(0);
  await expect(cancel).toBeFocused();
  stack.releaseModel();
  await expect(page.getByTestId("announced")).toHaveText("Completed");
});

test("a prompt is used again with a touch, and what is being written is not lost by it", async ({ app, page }) => {
  await app.signIn();
  await app.submit("Paint the fence");
  await expect(app.state).toHaveText("Completed");
  await page.getByRole("button", { name: "Use prompt again" }).click();
  const field = page.getByLabel("What should Codex do?").filter({ visible: true });
  await expect(field).toHaveValue("Paint the fence");
  await field.fill("Something else");
  await page.goBack();
  await page.getByRole("button", { name: "Use prompt again" }).filter({ visible: true }).click();
  await page.getByRole("button", { name: "Keep the draft" }).click();
  await expect(field).toHaveValue("Something else");
});

test("without a picture of the system the app can still be light or dark", async ({ app, page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await app.signIn();
  await app.open("/settings");
  const ground = () => page.getByRole("heading", { name: "Settings" }).evaluate((heading) => getComputedStyle(heading).color);
  await expect.poll(ground).toBe("rgb(20, 24, 31)");
  await page.getByRole("button", { name: /^Appearance/ }).click();
  await page.getByRole("radio", { name: "Dark" }).click();
  await expect.poll(ground).toBe("rgb(232, 235, 240)");
  await page.reload();
  await expect.poll(ground).toBe("rgb(232, 235, 240)");
});

test("a task is opened with keys, and the list is afterwards where it was", async ({ app, page }) => {
  await page.setViewportSize({ width: 390, height: 360 });
  await app.signIn();
  for (const prompt of ["Paint the fence", "Mow the lawn", "Water the flowers"]) await startOnce(app, prompt, "Completed");
  await app.open("/");
  const list = page.getByTestId("history").filter({ visible: true });
  const link = entry(page, /Paint the fence/);
  await link.focus();
  // The browser brings what has the focus into sight.
  const before = await list.evaluate((list) => list.scrollTop);
  expect(before).toBeGreaterThan(0);
  await page.keyboard.press("Enter");
  await expect(app.state).toHaveText("Completed");
  const back = page.getByRole("button", { name: "Back to the tasks" });
  await back.focus();
  await page.keyboard.press("Enter");
  await expect(link).toBeVisible();
  await expect.poll(() => list.evaluate((list) => list.scrollTop)).toBe(before);
  await page.getByRole("tab", { name: "Settings" }).click();
  await page.getByRole("tab", { name: "Tasks" }).click();
  await expect.poll(() => list.evaluate((list) => list.scrollTop)).toBe(before);
});

test("whoever asks for less motion or for colours of their own still sees where they are", async ({ app, page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
  await app.signIn();
  await startOnce(app, "Paint the fence", "Completed");
  const lines = await page.getByRole("tablist", { name: "Views of the task" }).getByRole("tab").evaluateAll((tabs) => tabs.map((tab) => getComputedStyle(tab).borderBottomWidth));
  expect(lines).toEqual(["3px", "0px", "0px", "0px"]);
  await look(app, "forced");
  await app.open("/");
  await expect(page.getByRole("radio", { name: "All" })).toHaveCSS("border-top-width", "2px");
  await expect(page.getByRole("radio", { name: "Failed" })).toHaveCSS("border-top-width", "1px");
});
