import { type Locator, type Page, expect, test as base } from "@playwright/test";

import { Proxy } from "../../node/proxy.js";
import { Stack } from "../../node/stack.js";
import { PhoneWeb, type PhoneWebOptions } from "./phone-web.js";

/** What a person does and sees, in the words of the screen. */
export class App {
  readonly page: Page;
  readonly stack: Stack;
  /** Between the app and the gateway: cuts, refuses, is silent. */
  readonly proxy: Proxy;
  readonly web: PhoneWeb;

  constructor(page: Page, stack: Stack, proxy: Proxy, web: PhoneWeb) {
    this.page = page;
    this.stack = stack;
    this.proxy = proxy;
    this.web = web;
  }

  get state(): Locator {
    return this.page.getByTestId("task").getByTestId("state");
  }

  get connection(): Locator {
    return this.page.getByTestId("connection");
  }

  get timeline(): Locator {
    return this.page.getByRole("log", { name: "Timeline" });
  }

  get terminal(): Locator {
    return this.page.getByRole("log", { name: "Terminal" });
  }

  get savedCopy(): Locator {
    // Screens that lie below stay in the page, unseen.
    return this.page.getByText(/A saved copy, seen/).filter({ visible: true });
  }

  async open(path = "/"): Promise<void> {
    await this.page.goto(this.web.url + path);
  }

  /** Names a server to an app that is open, and is then at its sign-in. */
  async addServer(url = this.web.url): Promise<void> {
    await this.page.getByLabel("Server address").fill(url);
    await this.page.getByRole("button", { name: "Continue", exact: true }).click();
  }

  async signIn(email = this.stack.ready.email, password = this.stack.ready.password): Promise<void> {
    await this.open();
    await this.addServer();
    await this.page.getByLabel("Email").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(this.page.getByRole("heading", { name: "Tasks", exact: true })).toBeVisible();
  }

  async signOut(): Promise<void> {
    await this.open("/settings");
    await this.page.getByRole("button", { name: "Sign out", exact: true }).click();
    await this.page.getByRole("dialog").getByRole("button", { name: "Sign out", exact: true }).click();
  }

  /** Submits a task, and is then on its screen. */
  async submit(prompt: string): Promise<void> {
    await this.open("/new");
    await this.page.getByLabel("What should Codex do?").fill(prompt);
    await this.page.getByRole("button", { name: "Start task" }).click();
    await this.page.waitForURL(/\/task\/[^/]+$/);
  }

  async tab(name: "Timeline" | "Terminal" | "Changes" | "Details"): Promise<void> {
    await this.page.getByRole("tab", { name }).click();
  }

  /** Where on a phone the app would go to the background or come back: in a browser the page is told that it is hidden or shown. */
  async turn(state: "hidden" | "visible"): Promise<void> {
    await this.page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      Object.defineProperty(document, "hidden", { configurable: true, get: () => state === "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  }

  /** Everything that the browser keeps for the app. */
  kept(): Promise<string> {
    return this.page.evaluate(async () => {
      const texts = Object.keys(localStorage).map((key) => localStorage.getItem(key) ?? "");
      for (const { name } of await indexedDB.databases()) {
        const database = await new Promise<IDBDatabase>((done, fail) => {
          const opening = indexedDB.open(name!);
          opening.onsuccess = () => done(opening.result);
          opening.onerror = () => fail(new Error("the database cannot be opened"));
        });
        for (const store of database.objectStoreNames) {
          const all = database.transaction(store).objectStore(store).getAll();
          texts.push(await new Promise<string>((done) => (all.onsuccess = () => done(JSON.stringify(all.result)))));
        }
        database.close();
      }
      return texts.join("\n");
    });
  }

  /** How often `text` stands in the terminal, as its search counts it. */
  async expectInTerminal(text: string, times: number): Promise<void> {
    await this.tab("Terminal");
    await this.page.getByLabel("Search in the log").fill(text);
    await expect(this.page.getByText(`0 of ${times}`, { exact: true })).toBeVisible();
  }
}

/** One stack for a worker; each test has a page of its own, and fails when the page complains. */
export const test = base.extend<{ app: App }, { stack: Stack; webOptions: PhoneWebOptions }>({
  stack: [
    async ({}, use) => {
      const stack = await Stack.start();
      await use(stack);
      await stack.stop();
    },
    { scope: "worker", timeout: 240_000 },
  ],
  webOptions: [({}, use) => use({}), { scope: "worker" }],
  app: async ({ page, stack, webOptions }, use, info) => {
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // Requests that fail are part of some tests.
      if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) complaints.push(message.text());
    });
    const proxy = await Proxy.start(stack.ready.url);
    const web = await PhoneWeb.start(proxy.url, webOptions);
    await use(new App(page, stack, proxy, web));
    await page.close();
    await web.stop();
    await proxy.stop();
    stack.releaseModel();
    if (info.status !== info.expectedStatus) console.error(stack.logs());
    expect(complaints).toEqual([]);
  },
});

export { expect };
