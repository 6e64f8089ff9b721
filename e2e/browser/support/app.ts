import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { type Locator, type Page, expect, test as base } from "@playwright/test";

import { Stack } from "../../node/stack.js";
import { WebFolder } from "./builds.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What a person does and sees, in the words of the screen. */
export class App {
  readonly page: Page;
  readonly stack: Stack;
  /** Where the pages come from; not always straight from the gateway. */
  base: string;
  readonly #expected: RegExp[] = [];

  constructor(page: Page, stack: Stack) {
    this.page = page;
    this.stack = stack;
    this.base = stack.ready.url;
  }

  /** What the page may complain of in this test. */
  expectComplaint(text: RegExp): void {
    this.#expected.push(text);
  }

  isExpected(complaint: string): boolean {
    return this.#expected.some((text) => text.test(complaint));
  }

  get state(): Locator {
    return this.page.locator("main [data-state]").first();
  }

  get connection(): Locator {
    return this.page.locator("[data-connection]");
  }

  async open(path = "/"): Promise<void> {
    await this.page.goto(this.base + path);
  }

  async signIn(email = this.stack.ready.email, password = this.stack.ready.password): Promise<void> {
    await this.open();
    await this.page.getByLabel("Email").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await expect(this.page.getByRole("heading", { name: /^Tasks/ })).toBeVisible();
  }

  /** Submits a task from the first page, and is then on its page. */
  async submit(prompt: string): Promise<void> {
    await this.page.getByLabel("What should Codex do?").fill(prompt);
    await this.page.keyboard.press("Control+Enter");
    await this.page.waitForURL(/\/task\/\?id=/);
  }

  async tab(name: "Timeline" | "Terminal" | "Changes" | "Details"): Promise<void> {
    await this.page.getByRole("tab", { name }).click();
  }

  /** Waits until the pages can be had without a network. */
  async readyForOffline(): Promise<void> {
    await this.page.evaluate(async () => {
      await navigator.serviceWorker.ready;
    });
    await expect.poll(() => this.page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
  }

  /** What axe finds against WCAG 2.2 A and AA, as text; in all of the page, or in a part of it. */
  async violations(part?: string): Promise<string[]> {
    await this.page.evaluate(axe);
    return this.page.evaluate(async (part) => {
      const run = (globalThis as unknown as { axe: { run(where: Document | string, options: unknown): Promise<{ violations: { id: string; help: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }).axe;
      const { violations } = await run.run(part ?? document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] });
      return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
    }, part);
  }
}

/** One stack for a worker; each test has a page of its own, and fails when the page complains. */
export const test = base.extend<{ app: App }, { stack: Stack; web: WebFolder }>({
  web: [
    async ({}, use) => {
      const web = new WebFolder();
      await use(web);
      web.remove();
    },
    { scope: "worker" },
  ],
  stack: [
    async ({ web }, use) => {
      const stack = await Stack.start({ webDir: web.dir });
      await use(stack);
      await stack.stop();
    },
    { scope: "worker", timeout: 150_000 },
  ],
  app: async ({ page, stack }, use, info) => {
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // Requests that fail are part of some tests; what the policy forbids and what React warns of never is.
      if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) complaints.push(message.text());
    });
    const app = new App(page, stack);
    await use(app);
    stack.releaseModel();
    if (info.status !== info.expectedStatus) console.error(stack.logs());
    expect(complaints.filter((complaint) => !app.isExpected(complaint))).toEqual([]);
  },
});

export { expect };
