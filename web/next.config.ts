import type { NextConfig } from "next";

const config: NextConfig = {
  // Plain files: the gateway serves them, no Node runs in production.
  output: "export",
  trailingSlash: true,
  reactStrictMode: true,
  // `npm test` checks the types; once is enough.
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
};

export default config;
