/** Every screen in light, dark and on a phone: nothing that axe finds, nothing wider than the screen, and a picture of it. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "../support/app.js";

/** Pictures go where nothing is checked in, unless they are to be kept. */
const pictures = process.env["CODEX_PICTURES"] ?? join(import.meta.dirname, "../../../target/browser-pictures");
mkdirSync(pictures, { recursive: true });

const looks = [
  { name: "light", width: 1280, height: 800, scheme: "light" },
  { name: "dark", width: 1280, height: 800, scheme: "dark" },
  { name: "phone", width: 360, height: 740, scheme: "light" },
  { name: "phone-dark", width: 360, height: 740, scheme: "dark" },
] as const;

for (const { name, width, height, scheme } of looks) {
  test(`in ${name}`, async ({ app, page }) => {
    const look = async (screen: string) => {
      await page.screenshot({ path: join(pictures, `${screen}-${name}.png`) });
      expect(await app.violations(), screen).toEqual([]);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wide, `${screen} is wider than the screen`).toBeLessThanOrEqual(0);
    };
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await app.open();
    await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
    await look("sign-in");
    await app.signIn();
    await page.getByText("Options").click();
    await page.getByRole("button", { name: "Add a variable" }).click();
    await look("home");
    await app.submit("Document this repository, and mention what the script prints.");
    await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
    await look("timeline");
    await app.tab("Terminal");
    await look("terminal");
    await app.tab("Changes");
    await expect(page.getByText("2 files changed")).toBeVisible();
    await look("changes");
    await app.tab("Details");
    await look("details");
    await page.getByRole("link", { name: "Tasks", exact: true }).click();
    await expect(page.getByRole("listitem").first()).toBeVisible();
    await look("list");
    await app.submit("[demo:sleep 600]");
    await expect(app.state).toHaveText("Running", { timeout: 30_000 });
    await look("running");
    await page.getByRole("button", { name: "Cancel", exact: true }).click();
    await look("cancel");
    await page.getByRole("button", { name: "Cancel the task" }).click();
    await expect(app.state).toHaveText("Canceled", { timeout: 30_000 });
    await page.getByRole("link", { name: "Settings" }).click();
    await look("settings");
  });
}
