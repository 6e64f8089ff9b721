import type { Page } from "@playwright/test";

import { Provider, freePort } from "../../node/provider.js";
import { Stack, type StackOptions } from "../../node/stack.js";
import { type App, expect, test as base } from "./app.js";

const SECRET = "the secret of the client";

const accounts = {
  ada: { email: "ada@example.test", email_verified: true, groups: ["staff"] },
  grace: { email: "grace@example.test", email_verified: true, groups: ["staff", "codex-admins"] },
  guest: { email: "guest@example.test", email_verified: true, groups: ["guests"] },
  mallory: { email: "admin@localhost", email_verified: false, groups: ["staff"] },
};

export interface SsoOptions extends StackOptions {
  /** Where browsers reach the gateway, when something stands before it. */
  publicUrl?: string;
  /** Addresses outside of the gateway that a sign-in may return to. */
  returnTo?: string[];
}

/** A stack whose users sign in at a provider, and that provider. */
export async function startWithProvider({ publicUrl, returnTo, ...options }: SsoOptions = {}): Promise<{ stack: Stack; provider: Provider; restart: () => Promise<Provider> }> {
  const listen = `127.0.0.1:${await freePort()}`;
  const of = { gateway: publicUrl ?? `http://${listen}`, clientSecret: SECRET, accounts };
  const provider = await Provider.start(of);
  try {
    const sso = ["--oidc-issuer", provider.issuer, "--oidc-client-id", "codex", "--oidc-name", "Example ID", "--oidc-scopes", "email,groups"];
    const groups = ["--oidc-allowed-groups", "staff", "--oidc-admin-groups", "codex-admins"];
    const addresses = [...(publicUrl ? ["--public-url", publicUrl] : []), ...(returnTo ? ["--oidc-return-to", returnTo.join(",")] : [])];
    const stack = await Stack.start({ ...options, listen, arguments: [...sso, ...groups, ...addresses], env: { CODEX_OIDC_CLIENT_SECRET: SECRET } });
    return { stack, provider, restart: () => Provider.start({ ...of, port: provider.port }) };
  } catch (error) {
    await provider.stop();
    throw error;
  }
}

/** What is typed and clicked on the provider's pages. */
export async function signInAtProvider(page: Page, account: string): Promise<void> {
  await page.getByPlaceholder("Enter any login").fill(account);
  await page.getByPlaceholder("and password").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

/** The provider asks whether it is meant, because anybody could lead a browser there. */
export async function signOutAtProvider(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
}

/** Tests of an installation whose users sign in at a provider. */
export const test = base.extend<{ sso: (account: string, path?: string) => Promise<void> }, { world: Awaited<ReturnType<typeof startWithProvider>> }>({
  world: [
    async ({}, use) => {
      const world = await startWithProvider();
      await use(world);
      await world.stack.stop();
      await world.provider.stop();
    },
    { scope: "worker", timeout: 180_000 },
  ],
  stack: [({ world }, use) => use(world.stack), { scope: "worker" }],
  /** From a page of the client to the provider, through it, and back. */
  sso: async ({ app, page }: { app: App; page: Page }, use) => {
    await use(async (account, path = "/") => {
      await app.open(path);
      await page.getByRole("button", { name: "Continue with Example ID" }).click();
      await signInAtProvider(page, account);
    });
  },
});

export { expect };
