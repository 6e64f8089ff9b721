import type { Page } from "@playwright/test";

import { signInAtProvider, startWithProvider } from "../../browser/support/sso.js";
import { freePort } from "../../node/provider.js";
import { type App, expect, test as base } from "./app.js";

/** What a person does with the window of the identity provider. */
export interface Sso {
  /** Touches the button, and answers with the window that opens. */
  begin: () => Promise<Page>;
  /** All the way through, until the window has closed itself. */
  signIn: (account: string) => Promise<void>;
}

export const BUTTON = "Continue with Example ID";

/** Tests of an installation whose users sign in at a provider. App and gateway have one address, as behind a proxy that serves both. */
export const test = base.extend<{ sso: Sso }, { world: Awaited<ReturnType<typeof startWithProvider>> & { port: number } }>({
  world: [
    async ({}, use) => {
      const port = await freePort();
      const publicUrl = `http://127.0.0.1:${port}`;
      const world = await startWithProvider({ publicUrl, returnTo: [`${publicUrl}/signed-in`], fakeCodex: true });
      await use({ ...world, port });
      await world.stack.stop();
      await world.provider.stop();
    },
    { scope: "worker", timeout: 240_000 },
  ],
  stack: [({ world }, use) => use(world.stack), { scope: "worker" }],
  webOptions: [({ world }, use) => use({ port: world.port, isShared: true }), { scope: "worker" }],
  sso: async ({ app, page }: { app: App; page: Page }, use) => {
    const begin = async () => {
      const opening = page.waitForEvent("popup");
      await page.getByRole("button", { name: BUTTON }).click();
      const opened = await opening;
      await expect(opened.getByPlaceholder("Enter any login")).toBeVisible();
      return opened;
    };
    const signIn = async (account: string) => {
      const opened = await begin();
      const closed = opened.waitForEvent("close");
      await signInAtProvider(opened, account);
      await closed;
    };
    await app.open();
    await app.addServer();
    await use({ begin, signIn });
  },
});

export { expect, signInAtProvider };
