import { defineConfig, devices } from "@playwright/test";

/** The browser of the machine: nothing is downloaded. */
const executablePath = process.env["CODEX_CHROMIUM"] ?? "/usr/bin/chromium";

/** The phone client as a page (`make mobile`), at the size of a phone, against a real `codex-remote up`. */
export default defineConfig({
  testDir: "tests",
  outputDir: "../../target/mobile",
  timeout: 180_000,
  expect: { timeout: 30_000 },
  // Each has a stack of its own, and most of the time a test waits.
  workers: 2,
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    ...devices["Pixel 7"],
    launchOptions: { executablePath, args: ["--disable-gpu"] },
    locale: "en-GB",
    trace: "retain-on-failure",
    screenshot: "only-on-failure",
  },
});
