import type { BrowserContext, Page } from "@playwright/test";

import { type App, expect, test } from "../support/app.js";

/** Playwright makes every page believe that somebody looks at it. */
async function withRealFocus(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setFocusEmulationEnabled", { enabled: false });
}

/** Another tab comes to the front, so that nobody looks at those of the client. */
async function lookElsewhere(context: BrowserContext): Promise<Page> {
  const elsewhere = await context.newPage();
  await elsewhere.bringToFront();
  return elsewhere;
}

/** What stands on the screen of the machine. */
const notices = (page: Page) =>
  page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    return (await registration.getNotifications()).map(({ title, tag }) => ({ title, tag }));
  });

/** The tasks that count as being looked at. */
const lookedAt = (page: Page) =>
  page.evaluate(async () => {
    const { held = [] } = await navigator.locks.query();
    return held.map(({ name }) => name ?? "").filter((name) => name.startsWith("codex-remote.looking."));
  });

const shown = (page: Page) => page.evaluate(() => Number(localStorage.getItem("test.shown")));

test.beforeEach(async ({ context, stack }) => {
  await context.grantPermissions(["notifications"], { origin: stack.ready.url });
  // A second one for the same task would take the place of the first, so what is told is counted.
  await context.addInitScript(() => {
    // Called on the registration that it is asked of.
    // eslint-disable-next-line @typescript-eslint/unbound-method
    const { showNotification } = ServiceWorkerRegistration.prototype;
    ServiceWorkerRegistration.prototype.showNotification = function (this: ServiceWorkerRegistration, ...given: Parameters<typeof showNotification>) {
      localStorage.setItem("test.shown", String(Number(localStorage.getItem("test.shown")) + 1));
      return showNotification.apply(this, given);
    };
  });
});

async function turnOn(app: App, page: Page): Promise<void> {
  await app.signIn();
  await app.readyForOffline();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByRole("switch", { name: "Tell me when a task ends" }).check();
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
}

test("the end of a task is told once, when nobody looks at it, and leads to the task", async ({ app, page, context, stack }) => {
  await turnOn(app, page);
  stack.holdModel(1);
  await app.submit("[demo:sleep 1] the long one");
  await expect(app.state).toHaveText("Running", { timeout: 30_000 });
  const id = new URL(page.url()).searchParams.get("id");
  const second = await context.newPage();
  await second.goto(page.url());
  await expect(second.locator("main [data-state]").first()).toHaveText("Running");
  await withRealFocus(page);
  await withRealFocus(second);
  await lookElsewhere(context);
  await expect.poll(() => page.evaluate(() => document.hasFocus())).toBe(false);
  await expect.poll(() => lookedAt(page)).toEqual([]);
  await expect(app.state).toHaveText("Running");
  stack.releaseModel();
  await expect.poll(() => notices(page), { timeout: 30_000 }).toEqual([{ title: "Completed: [demo:sleep 1] the long one", tag: id }]);
  await expect(app.state).toHaveText("Completed");
  await expect(second.locator("main [data-state]").first()).toHaveText("Completed");
  // Both tabs know by now, and what the one that asks the gateway would have said has been said.
  await expect.poll(() => page.evaluate(() => localStorage.getItem("codex-remote.watched"))).toBe("[]");
  expect(await shown(page)).toBe(1);

  await second.close();
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  const worker = context.serviceWorkers()[0]!;
  await worker.evaluate(async () => {
    const scope = globalThis as unknown as { registration: ServiceWorkerRegistration; dispatchEvent(event: Event): void };
    const [notification] = await scope.registration.getNotifications();
    const Click = (globalThis as unknown as { NotificationEvent: new (type: string, options: object) => Event }).NotificationEvent;
    scope.dispatchEvent(new Click("notificationclick", { notification }));
  });
  await expect(page).toHaveURL(new RegExp(`/task/\\?id=${id}`));
  await expect(app.state).toHaveText("Completed");
  expect(await notices(page)).toEqual([]);
});

test("a tab in the background tells it from every page, and signing out takes it back", async ({ app, page, context, stack }) => {
  await turnOn(app, page);
  stack.holdModel(1);
  await app.submit("[demo:sleep 1] in the background");
  await expect(app.state).toHaveText(/Queued|Running/);
  await expect.poll(() => page.evaluate(() => localStorage.getItem("codex-remote.watched"))).toContain("-");
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();
  await withRealFocus(page);
  const elsewhere = await lookElsewhere(context);
  stack.releaseModel();
  await expect.poll(async () => (await notices(page)).map(({ title }) => title), { timeout: 60_000 }).toEqual(["Completed: [demo:sleep 1] in the background"]);
  await elsewhere.close();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await expect.poll(() => notices(page)).toEqual([]);
});

test("who looks at the task is not told", async ({ app, page }) => {
  await turnOn(app, page);
  await withRealFocus(page);
  await page.bringToFront();
  await app.submit("[demo:sleep 2] in sight");
  await expect(app.state).toHaveText("Completed", { timeout: 60_000 });
  // It is taken off the list when it has been decided whether to tell it.
  await expect.poll(() => page.evaluate(() => localStorage.getItem("codex-remote.watched"))).toBe("[]");
  expect(await notices(page)).toEqual([]);
  expect(await shown(page)).toBe(0);
});

test("nothing is told, and nothing asked, before somebody wants it", async ({ app, page, context, stack }) => {
  // Nobody can answer the question of a browser without a screen, so the answer is given here.
  await context.addInitScript(() => {
    let answer: NotificationPermission = "default";
    Object.defineProperty(Notification, "permission", { get: () => answer });
    Notification.requestPermission = async () => {
      localStorage.setItem("test.asked", String(Number(localStorage.getItem("test.asked")) + 1));
      return (answer = "denied");
    };
  });
  const asked = () => page.evaluate(() => Number(localStorage.getItem("test.asked")));
  await app.signIn();
  stack.holdModel(1);
  await app.submit("[demo:sleep 1]");
  await expect(app.state).toHaveText("Running", { timeout: 30_000 });
  expect(await asked()).toBe(0);
  await page.getByRole("button", { name: "Tell me when it ends" }).click();
  expect(await asked()).toBe(1);
  await expect(page.getByRole("button", { name: "Tell me when it ends" })).toBeHidden();
  stack.releaseModel();
  await expect(app.state).toHaveText("Completed", { timeout: 30_000 });
  expect(await shown(page)).toBe(0);
  await page.getByRole("link", { name: "Settings" }).click();
  await expect(page.getByText("Its settings for this site can change that.")).toBeVisible();
});
