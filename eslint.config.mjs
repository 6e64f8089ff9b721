// One set of rules for everything that is written in TypeScript. `npm run lint`; `make lint` runs it with the others.

import js from "@eslint/js";
import next from "@next/eslint-plugin-next";
import { defineConfig, globalIgnores } from "eslint/config";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default defineConfig(
  globalIgnores(["**/dist", "**/.next", "**/out", "**/next-env.d.ts", "**/.expo", "mobile/expo-env.d.ts", "mobile/android", "mobile/ios", "sdk/src/openapi.ts", "sdk/.examples-*"]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [ts.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Numbers in texts are what they look like; everything else is still refused.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `onClick={() => setOpen(true)}` says what it does; the value of a statement is still not to be used.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      // The types promise what browsers promise on pages that came over HTTPS; React Native and plain HTTP have less, and code has to look.
      "@typescript-eslint/no-unnecessary-condition": "off",
    },
  },
  {
    files: ["web/**/*.{ts,tsx}"],
    extends: [a11y.flatConfigs.strict, hooks.configs.flat["recommended-latest"], next.configs["core-web-vitals"]],
    settings: { next: { rootDir: "web" } },
    rules: {
      // What scrolls must be reached by keyboard.
      "jsx-a11y/no-noninteractive-tabindex": ["error", { tags: ["pre"], roles: ["group", "log", "region", "tabpanel"] }],
      // These three prepare for the React Compiler, which is not used: here effects follow scroll positions, streams and databases.
      "react-hooks/immutability": "off",
      "react-hooks/incompatible-library": "off",
      "react-hooks/set-state-in-effect": "off",
    },
  },
  {
    files: ["mobile/**/*.{ts,tsx}"],
    extends: [hooks.configs.flat["recommended-latest"]],
    rules: {
      "react-hooks/immutability": "off",
      "react-hooks/incompatible-library": "off",
      "react-hooks/set-state-in-effect": "off",
    },
  },
  {
    // Metro and Jest read these as CommonJS.
    files: ["mobile/*.config.js"],
    languageOptions: { sourceType: "commonjs", globals: { require: "readonly", module: "writable", __dirname: "readonly" } },
  },
  {
    files: ["**/test/**", "e2e/**"],
    rules: {
      // What is not there fails the test, with the line.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Fakes have the shape of what they stand for.
      "@typescript-eslint/require-await": "off",
      // Playwright reads the names of fixtures from an object pattern, also where there are none.
      "no-empty-pattern": ["error", { allowObjectPatternsAsParameters: true }],
    },
  },
  {
    // Programs of Node.
    files: ["**/*.mjs"],
    languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly", Buffer: "readonly" } },
  },
  {
    // Plain scripts of the page.
    files: ["web/public/*.js"],
    languageOptions: {
      sourceType: "script",
      globals: { matchMedia: "readonly", localStorage: "readonly", document: "readonly", addEventListener: "readonly" },
    },
  },
);
