import type { NextConfig } from "next";

import { buildId } from "./scripts/build-id.mjs";

const build = buildId();

const config: NextConfig = {
  // Plain files: the gateway serves them, no Node runs in production.
  output: "export",
  trailingSlash: true,
  reactStrictMode: true,
  // `npm test` checks the types; once is enough.
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
  // Next compares its own with what it is sent, and loads a page anew rather than mixing two builds.
  generateBuildId: () => build,
  env: { CODEX_WEB_BUILD: build },
};

export default config;
