/** Sign-in with a certified identity provider, clicked through. */

import { expect, signInAtProvider, signOutAtProvider, startWithProvider, test } from "../support/sso.js";

const PROVIDER = "Continue with Example ID";

test("leads back to the page that was asked for, and lasts", async ({ app, page, sso }) => {
  await sso("ada", "/settings/?from=a-link#theme");
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  // Nothing of the way is left in the address, and the fragment that was there is back.
  expect(page.url()).toBe(`${app.stack.ready.url}/settings/?from=a-link#theme`);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
});

test("a sign-out ends the session with the provider too", async ({ app, page, sso }) => {
  await sso("ada");
  await page.getByRole("button", { name: "Sign out" }).click();
  await signOutAtProvider(page);
  await expect(page.getByRole("button", { name: PROVIDER })).toBeVisible();
  expect(page.url()).toBe(`${app.stack.ready.url}/`);
  await page.reload();
  await page.getByRole("button", { name: PROVIDER }).click();
  // Whoever comes next is asked who they are.
  await expect(page.getByPlaceholder("Enter any login")).toBeVisible();
});

test("a password still works beside it", async ({ app }) => {
  await app.signIn();
});

for (const [account, text] of [
  ["guest", "You are not among those who may use this installation"],
  ["mallory", "has not verified your email address"],
] as const) {
  test(`${account} is told why not`, async ({ app, page, sso }) => {
    await sso(account);
    await expect(page.getByRole("main").getByRole("alert")).toContainText(text);
    expect(page.url()).toBe(`${app.stack.ready.url}/`);
    expect(await app.violations()).toEqual([]);
    await page.reload();
    await expect(page.getByRole("button", { name: PROVIDER })).toBeVisible();
    await expect(page.getByRole("main").getByRole("alert")).toHaveCount(0);
  });
}

test("turning back at the provider is no dead end", async ({ app, page }) => {
  await app.open();
  await page.getByRole("button", { name: PROVIDER }).click();
  await page.getByRole("link", { name: "Cancel" }).click();
  await expect(page.getByRole("main").getByRole("alert")).toContainText("did not let you in, or you turned back");
  await page.getByRole("button", { name: PROVIDER }).click();
  // The browser's own way back finds the page usable.
  await expect(page.getByPlaceholder("Enter any login")).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("button", { name: PROVIDER })).toBeEnabled();
});

test("who is disabled meanwhile is out, and is told", async ({ app, page, sso, request }) => {
  await sso("ada");
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  const { url, email, password } = app.stack.ready;
  const login = (await (await request.post(`${url}/auth/login`, { data: { email, password } })).json()) as { access_token: string };
  const headers = { Authorization: `Bearer ${login.access_token}` };
  const { users } = (await (await request.get(`${url}/api/users?q=ada@`, { headers })).json()) as { users: { id: string }[] };
  const disable = (disabled: boolean) => request.patch(`${url}/api/users/${users[0]!.id}`, { headers, data: { disabled } });
  await disable(true);
  try {
    // The list is read again every few seconds, and the session is found ended.
    await expect(page.getByRole("button", { name: PROVIDER })).toBeVisible();
    await page.getByRole("button", { name: PROVIDER }).click();
    await expect(page.getByRole("main").getByRole("alert")).toContainText("Your account is disabled");
  } finally {
    await disable(false);
  }
});

test("a sign-in belongs to the tab that began it", async ({ app, page, browser }) => {
  await app.open("/settings/#code=somebody-elses");
  await expect(page.getByRole("main").getByRole("alert")).toContainText("begun in another browser or tab");
  expect(page.url()).toBe(`${app.stack.ready.url}/settings/`);

  // The last step of somebody's sign-in, in another browser.
  await page.getByRole("button", { name: PROVIDER }).click();
  const callback = page.waitForRequest(/\/auth\/oidc\/callback\?/);
  await page.route(/\/auth\/oidc\/callback\?/, (route) => route.abort());
  await signInAtProvider(page, "ada").catch(() => {});
  const address = (await callback).url();
  const other = await (await browser.newContext()).newPage();
  await other.goto(address);
  await expect(other.getByRole("main").getByRole("alert")).toContainText("begun in another browser or tab");
  await other.context().close();
});

test("a provider that is away is said to be, and comes back", async ({ app, page, world, sso }) => {
  await world.provider.stop();
  try {
    // A gateway that has asked it before would go on with what it was told.
    world.stack.kill9("gateway");
    await expect.poll(() => fetch(`${app.stack.ready.url}/readyz`).then(({ ok }) => ok, () => false), { timeout: 30_000 }).toBe(true);
    await app.open("/settings/");
    await page.getByRole("button", { name: PROVIDER }).click();
    await expect(page.getByRole("main").getByRole("alert")).toContainText("cannot be reached now");
    expect(page.url()).toBe(`${app.stack.ready.url}/settings/`);
  } finally {
    world.provider = await world.restart();
  }
  await sso("grace");
  await expect(page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
});

test("the built-in page has the button too", async ({ browser }) => {
  test.setTimeout(240_000);
  const { stack, provider } = await startWithProvider({ withoutWeb: true });
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(stack.ready.url);
    await page.locator("#sso").click();
    await signInAtProvider(page, "ada");
    await expect(page.getByRole("heading", { name: "New task" })).toBeVisible();
    expect(page.url()).toBe(`${stack.ready.url}/`);
    await page.getByRole("button", { name: "Log out" }).click();
    await signOutAtProvider(page);
    await page.locator("#sso").click();
    await signInAtProvider(page, "grace");
    await expect(page.getByRole("heading", { name: "New task" })).toBeVisible();
  } finally {
    await context.close();
    await stack.stop();
    await provider.stop();
  }
});
