import { defineConfig } from "@playwright/test";

/** The browser of the machine: nothing is downloaded. */
const executablePath = process.env["CODEX_CHROMIUM"] ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: "tests",
  outputDir: "../../target/browser",
  timeout: 150_000,
  expect: { timeout: 30_000 },
  // Each has a stack of its own, and most of the time a test waits.
  workers: 2,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    launchOptions: { executablePath, args: ["--disable-gpu"] },
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
});
