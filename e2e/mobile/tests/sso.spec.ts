/**
 * Sign-in with a certified identity provider, through a window of its own as on a phone, against a real gateway. The gateway's
 * `Cross-Origin-Opener-Policy` cuts that window off from the page on the way, as many providers do.
 */

import type { Page } from "@playwright/test";

import { signOutAtProvider } from "../../browser/support/sso.js";
import { PhoneWeb } from "../support/phone-web.js";
import { BUTTON, expect, signInAtProvider, test } from "../support/sso.js";

const tasks = (page: Page) => page.getByRole("heading", { name: "Tasks", exact: true });

/** What of a sign-in the browser keeps. */
const kept = (page: Page) => page.evaluate(() => Object.keys(localStorage).filter((key) => /sso|ExpoWebBrowser/.test(key)));

test("leads through the provider's window into the app, and lasts; the sign-out ends it there too", async ({ app, page, sso }) => {
  await sso.signIn("ada");
  await expect(tasks(page)).toBeVisible();
  await app.submit("Say hello");
  await expect(app.state).toHaveText("Completed");
  await app.open("/settings");
  await expect(page.getByText("Signed in as ada@example.test")).toBeVisible();
  expect(await kept(page)).toEqual([]);

  const opening = page.waitForEvent("popup");
  await app.signOut();
  const leaving = await opening;
  await signOutAtProvider(leaving);
  await leaving.close();
  // Whoever has the phone next is asked who they are.
  await (await sso.begin()).close();
});

test("who closes the window has only turned back, and can begin again", async ({ page, sso }) => {
  await (await sso.begin()).close();
  await expect(page.getByRole("button", { name: BUTTON })).toBeEnabled();
  await expect(page.getByRole("alert")).toHaveCount(0);
  await sso.signIn("ada");
  await expect(tasks(page)).toBeVisible();
});

test("who turns back at the provider, or is nobody here, is told so in the app", async ({ page, sso }) => {
  const opened = await sso.begin();
  await opened.getByRole("link", { name: "Cancel" }).click();
  await expect(page.getByRole("alert")).toContainText("did not let you in, or you turned back");
  await sso.signIn("guest");
  await expect(page.getByRole("alert")).toContainText("You are not among those who may use this installation");
  await expect(page.getByRole("button", { name: BUTTON })).toBeEnabled();
});

test("a code that the gateway takes no more is explained", async ({ page, sso }) => {
  // Somebody was faster: the gateway has seen the code when the app comes with it.
  await page.route(/\/auth\/oidc\/exchange$/, async (route) => {
    await route.fetch();
    await route.continue();
  });
  await sso.signIn("ada");
  await expect(page.getByRole("alert")).toContainText("This sign-in took too long");
});

test("a gateway that does not know the app's address is found out before a window opens", async ({ app, page, context }) => {
  const elsewhere = await PhoneWeb.start(app.proxy.url);
  let windows = 0;
  page.on("popup", () => windows++);
  try {
    await page.goto(elsewhere.url);
    await app.addServer(app.web.url);
    await page.getByRole("button", { name: BUTTON }).click();
    await expect(page.getByRole("alert")).toContainText(`has to add ${elsewhere.url}/signed-in to CODEX_OIDC_RETURN_TO`);
    expect(windows).toBe(0);
  } finally {
    await context.clearCookies();
    await page.goto("about:blank");
    await elsewhere.stop();
  }
});

test("each of two servers has a sign-in of its own", async ({ app, page, sso, context }) => {
  await sso.signIn("ada");
  await expect(tasks(page)).toBeVisible();
  const other = await PhoneWeb.start(app.proxy.url, { isShared: true });
  try {
    await app.open("/settings");
    await page.getByRole("button", { name: "Add a server" }).click();
    await app.addServer(other.url);
    await expect(page.getByRole("button", { name: BUTTON })).toBeVisible();
    // The provider knows who is there; somebody else signs in here.
    await context.clearCookies();
    await sso.signIn("grace");
    await expect(tasks(page)).toBeVisible();
    await page.getByRole("tab", { name: "Settings" }).click();
    await expect(page.getByText("Signed in as grace@example.test · Shown now")).toBeVisible();
    await expect(page.getByText("Signed in as ada@example.test", { exact: true })).toBeVisible();
  } finally {
    await page.goto("about:blank");
    await other.stop();
  }
});

test("a window that lost the page it came from signs in by itself", async ({ page, sso }) => {
  const opened = await sso.begin();
  await page.reload();
  await expect(page.getByRole("button", { name: BUTTON })).toBeVisible();
  await signInAtProvider(opened, "ada");
  await expect(tasks(opened)).toBeVisible();
  expect((await kept(opened)).filter((key) => key.startsWith("sso"))).toEqual([]);
});

test("without windows the page itself goes to the provider and comes back", async ({ app, page }) => {
  await app.open();
  await app.addServer();
  await page.evaluate(() => (window.open = () => null));
  await page.getByRole("button", { name: BUTTON }).click();
  await signInAtProvider(page, "ada");
  await expect(tasks(page)).toBeVisible();
});

test("a sign-in that nobody began here leads nowhere", async ({ app, page }) => {
  await app.open("/signed-in#code=somebody-elses");
  await expect(page.getByRole("alert")).toContainText("was not begun on this device");
  expect(page.url()).not.toContain("somebody-elses");
  await page.getByRole("button", { name: "Back to the app" }).click();
  await expect(page.getByLabel("Server address")).toBeVisible();
});
