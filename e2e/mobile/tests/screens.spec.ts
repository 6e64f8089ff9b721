/** Every screen as it is seen: pictures, what axe finds, and nothing wider than the screen. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { takePicture } from "../../browser/support/pictures.js";
import { type App, expect, test } from "../support/app.js";

const axe = readFileSync(createRequire(new URL("../../browser/package.json", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");

const looks = [
  { name: "phone", width: 390, height: 844, scheme: "light" },
  { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
  { name: "tablet", width: 1180, height: 820, scheme: "light" },
] as const;

/** The pictures that are checked in; all of them are in `target/browser-pictures` after a run without `CODEX_PICTURES`. */
const kept = ["tasks-phone", "compose-phone", "task-phone-dark", "task-tablet"];

async function look(app: App, screen: string, as: string): Promise<void> {
  if (!process.env["CODEX_PICTURES"] || kept.includes(`${screen}-${as}`)) await takePicture(app.page, `mobile-${screen}-${as}`);
  await app.page.evaluate(axe);
  const found = await app.page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: (where: Document, options: unknown) => Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
    const { violations } = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 300)} ${node.failureSummary ?? ""}`));
  });
  expect(found, screen).toEqual([]);
  const wide = await app.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide, `${screen} is wider than the screen`).toBeLessThanOrEqual(0);
}

for (const { name, width, height, scheme } of looks) {
  test(`the screens on a ${name}`, async ({ app, page }) => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
    await app.open();
    await page.getByLabel("Server address").fill(app.web.url);
    await look(app, "server", name);
    await page.getByRole("button", { name: "Continue", exact: true }).click();
    await expect(page.getByLabel("Password")).toBeVisible();
    await look(app, "sign-in", name);
    await page.getByLabel("Email").fill(app.stack.ready.email);
    await page.getByLabel("Password").fill(app.stack.ready.password);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(page.getByRole("heading", { name: "Tasks", exact: true })).toBeVisible();
    await app.submit("Change the greeting of the program, and say in the README how to call it.");
    await expect(app.state).toHaveText("Completed");
    await app.submit("[demo:error 400]\nDo something that cannot be done.");
    await expect(app.state).toHaveText("Failed");
    await app.open("/new");
    await page.getByLabel("What should Codex do?").fill("Find out why the nightly build is slow, and make it faster.");
    await page.getByRole("button", { name: "Options" }).click();
    await expect(page.getByLabel("Model")).toBeVisible();
    await look(app, "compose", name);
    await page.getByLabel("What should Codex do?").fill("");
    await app.open("/settings");
    await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
    await look(app, "settings", name);
    await page.getByRole("button", { name: /^Appearance/ }).click();
    await expect(page.getByRole("radio", { name: "Dark" })).toBeVisible();
    await look(app, "choice", name);
    await page.getByRole("button", { name: "Close" }).click();
    await app.open("/");
    const entry = page.getByTestId("history").getByRole("link", { name: /Change the greeting of the program/ }).filter({ visible: true }).first();
    await expect(entry).toBeVisible();
    await look(app, "tasks", name);
    await entry.click();
    await expect(app.state).toHaveText("Completed");
    await look(app, "task", name);
  });
}

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
