import { defineConfig } from "@playwright/test";

import tests from "./playwright.config.js";

/** `make bench-mobile`: no tests, but figures of the phone client in the same browser. */
export default defineConfig({
  ...tests,
  testDir: "measure",
  testMatch: /.*\.measure\.ts/,
  timeout: 1_800_000,
  use: { ...tests.use, trace: "off", screenshot: "off" },
});
