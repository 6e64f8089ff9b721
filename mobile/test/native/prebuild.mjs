// Makes the native projects in a folder of their own, as a build does, and reads them.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const mobile = new URL("../..", import.meta.url).pathname;
const require = createRequire(join(mobile, "package.json"));
const { XML } = require("expo/config-plugins");
const plist = createRequire(require.resolve("expo/config-plugins"))("@expo/plist").default;

/** What is no part of the app's sources. */
const OTHER = new Set(["node_modules", "dist", ".expo", "android", "ios", "test"]);

/** The projects as they are with these variables of the build. `remove` them when they have been read. */
export function prebuild(variables = {}) {
  const folder = mkdtempSync(join(tmpdir(), "codex-native-"));
  for (const name of readdirSync(mobile)) if (!OTHER.has(name)) cpSync(join(mobile, name), join(folder, name), { recursive: true });
  symlinkSync(join(mobile, "node_modules"), join(folder, "node_modules"));
  const none = { CODEX_MOBILE_LINK_HOSTS: "", CODEX_MOBILE_APP_ID: undefined, EAS_PROJECT_ID: undefined };
  const env = { ...process.env, ...none, ...variables, CI: "1", EXPO_OFFLINE: "1", EXPO_NO_TELEMETRY: "1", EXPO_NO_GIT_STATUS: "1" };
  const { status, stdout, stderr } = spawnSync(join(mobile, "node_modules/.bin/expo"), ["prebuild", "--no-install", "--platform", "all"], { cwd: folder, env, encoding: "utf8", timeout: 240_000 });
  if (status !== 0) throw new Error(`expo prebuild failed:\n${stdout}\n${stderr}`);
  const path = (name) => join(folder, name);
  return {
    text: (name) => readFileSync(path(name), "utf8"),
    // Its objects have no prototype, which a comparison would mind.
    plist: (name) => JSON.parse(JSON.stringify(plist.parse(readFileSync(path(name), "utf8")))),
    xml: (name) => XML.readXMLAsync({ path: path(name) }),
    list: (name) => readdirSync(path(name)).sort(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const readXml = (path) => XML.readXMLAsync({ path });

/** The intent filters of an activity, short enough to be compared: what is done, with what, and whether the system verifies it. */
export function filtersOf(activity) {
  const names = (parts = []) => parts.map(({ $ }) => $["android:name"].split(".").at(-1)).sort().join("+");
  return (activity["intent-filter"] ?? []).map(({ $, action, category, data = [] }) => {
    const places = data.map(({ $ }) => [$["android:scheme"], $["android:host"], $["android:pathPrefix"], $["android:mimeType"]].filter(Boolean).join(" "));
    return [names(action), names(category), ...places, $?.["android:autoVerify"] === "true" && "verified"].filter(Boolean).join(" | ");
  });
}
