/** Components and hooks, as on a phone: everything of the system is a stand-in from `test/setup.ts`. */
module.exports = {
  preset: "jest-expo",
  setupFilesAfterEnv: ["<rootDir>/test/setup.ts"],
  // As on a phone, jest takes what packages have for browsers; this one is for the tests only.
  moduleNameMapper: { "^@/(.*)$": "<rootDir>/src/$1", "^yaml$": "<rootDir>/node_modules/yaml/dist/index.js" },
  testMatch: ["<rootDir>/test/**/*.test.{ts,tsx}"],
  // Packages of this repository are ESM, like many of React Native's.
  transformIgnorePatterns: ["node_modules/(?!(?:(?:jest-)?react-native|@react-native(?:-community)?|expo(?:nent)?|@expo(?:nent)?/.*|@expo-google-fonts/.*|react-navigation|@react-navigation/.*|@shopify/.*|standard-navigation|@codex-remote/.*|idb-keyval|marked)/?)"],
  // A first run compiles what a test loads while the test runs.
  testTimeout: 120_000,
};
