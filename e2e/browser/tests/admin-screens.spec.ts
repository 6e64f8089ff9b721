/** The screens of administration in light, dark and on a phone: nothing that axe finds, nothing wider than the screen, and a picture of each. */

import { CodexClient } from "@codex-remote/sdk";

import { expect, test } from "../support/app.js";
import { looks, looker } from "../support/looks.js";

const PASSWORD = "correct horse battery";

for (const { name, width, height, scheme } of looks) {
  test(`administration in ${name}`, async ({ app, page }) => {
    const { url, email, password } = app.stack.ready;
    const admin = new CodexClient({ baseURL: url, auth: { email, password } });
    // A long address, somebody who is disabled, and a token.
    const long = `a-colleague-with-quite-a-long-name-${name}@engineering.example.test`;
    const { id } = await admin.users.create({ email: long, password: PASSWORD });
    const guest = `guest-${name}@example.test`;
    await admin.users.create({ email: guest, password: PASSWORD });
    await admin.users.update(id, { disabled: true });
    await admin.tokens.create({ name: `nightly build, ${name}`, scopes: ["tasks:read", "tasks:write", "admin"] });

    const look = looker(app, name);
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await app.signIn();
    await page.getByRole("link", { name: "Admin" }).click();
    await expect(page.getByRole("listitem").first()).toBeVisible();
    await look("users");
    await page.getByRole("button", { name: `Actions for ${guest}` }).click();
    await expect(page.getByRole("menuitem", { name: "Disable …" })).toBeVisible();
    // What the menu covers has to be neither seen nor hit.
    await look("user-menu", '[role="menu"]');
    await page.getByRole("menuitem", { name: "Disable …" }).click();
    await expect(page.getByRole("alertdialog")).toContainText("No task of theirs");
    await look("disable-user");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Add user" }).click();
    await page.getByRole("button", { name: "Generate" }).click();
    await look("add-user");
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: "Audit log" }).click();
    await expect(page.getByRole("listitem").first()).toBeVisible();
    await look("audit");
    const filter = page.getByRole("button", { name: "Filter" });
    await expect(filter).toBeVisible({ visible: name.startsWith("phone") });
    if (await filter.isVisible()) {
      await filter.click();
      await page.getByLabel("Who").fill("nobody@example.com");
      await look("audit-filter");
      await page.getByRole("button", { name: "Apply" }).click();
      await expect(page.getByRole("button", { name: "Filter (1)" })).toBeVisible();
      await expect(page.getByLabel("Who")).toBeHidden();
    }
    await page.getByRole("link", { name: "Settings" }).click();
    await expect(page.getByText(`nightly build, ${name}`)).toBeVisible();
    await page.getByRole("heading", { name: "API tokens" }).scrollIntoViewIfNeeded();
    await look("tokens");
    await page.getByRole("button", { name: "New token" }).click();
    await look("new-token");
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Email").fill(guest);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
    await app.open("/admin/users/");
    await expect(page.getByRole("heading", { name: "For administrators only" })).toBeVisible();
    await look("forbidden");
  });
}
