import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";

import { routeOf } from "@/links/target";
import { t as words } from "@/strings";
import { t as taskWords } from "@/task/strings";
import config from "../../app.config";

/**
 * The flows for a device, as far as they can be held to their word without one: they are made of Maestro's commands, and say what the app says. What
 * is not here is whether the app does it.
 */

const mobile = join(__dirname, "../..");
const folder = join(mobile, ".maestro");
const names = readdirSync(folder).filter((name) => name.endsWith(".yaml") && name !== "config.yaml");
const parts = readdirSync(join(folder, "parts")).map((name) => `parts/${name}`);

type Value = string | number | boolean | null | { [key: string]: Value } | Value[];
type Fields = Record<string, Value>;

const isFields = (value: Value | undefined): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const documents = (name: string): Value[] => parseAllDocuments(readFileSync(join(folder, name), "utf8")).map((document) => document.toJS() as Value);

/** Maestro's commands that are used here, with what each may be told, after docs.maestro.dev (Commands available). */
const COMMANDS: Record<string, string[]> = {
  assertNotVisible: [],
  assertVisible: ["id", "text"],
  back: [],
  eraseText: [],
  extendedWaitUntil: ["visible", "notVisible", "timeout"],
  inputText: [],
  launchApp: ["clearState", "clearKeychain", "stopApp"],
  openLink: ["link", "browser"],
  pressKey: [],
  runFlow: ["file", "env", "when", "commands"],
  scrollUntilVisible: ["element", "direction"],
  setAirplaneMode: [],
  stopApp: [],
  swipe: ["start", "end"],
  tapOn: ["id", "text", "index", "optional", "below"],
  waitForAnimationToEnd: ["timeout"],
};

/** What the systems say, and other apps. */
const SYSTEM = ["Open", "Allow", "More options", "Share.*", "https://example.com.*"];

interface Command {
  name: string;
  value: Value;
}

/** The commands of a flow in order, with those that stand in others. */
function commandsOf(list: Value | undefined): Command[] {
  return (Array.isArray(list) ? list : []).flatMap((entry) => {
    if (typeof entry === "string") return [{ name: entry, value: null }];
    const [name = "", value = null] = Object.entries(entry as Fields)[0] ?? [];
    return [{ name, value }, ...(isFields(value) ? commandsOf(value["commands"]) : [])];
  });
}

const all = [...names, ...parts].flatMap((name) => commandsOf(documents(name)[1]).map((command) => ({ file: name, ...command })));

/** Every text that the app can show; what depends on something is shown for an `x`. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value === "function") return [String((value as (...args: string[]) => unknown)("x", "x", "x"))];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** What the flows type, or put into links, can be read on the screen as well. */
const typed = all.flatMap(({ name, value }) => (name === "inputText" && typeof value === "string" ? [value] : []));
const linked = all.flatMap(({ value }) => (isFields(value) && isFields(value["env"]) && typeof value["env"]["LINK"] === "string" ? [value["env"]["LINK"]] : []));
const told = Object.values(words.states).map((state) => words.notices.title(state, "x"));
const known = [...new Set([...textsOf(words), ...told, ...textsOf(taskWords), ...typed, ...linked.map((link) => new URLSearchParams(link.split("?")[1]).get("prompt") ?? ""), config.name])].filter((text) => text && !text.startsWith("${"));

function selectorsOf({ name, value }: Command): { texts: string[]; ids: string[] } {
  const selector = isFields(value) && ["extendedWaitUntil", "scrollUntilVisible"].includes(name) ? (value["visible"] ?? value["notVisible"] ?? value["element"]) : value;
  if (!["assertNotVisible", "assertVisible", "extendedWaitUntil", "scrollUntilVisible", "tapOn"].includes(name)) return { texts: [], ids: [] };
  const fields = isFields(selector) ? selector : { text: selector ?? null };
  const strings = (...keys: string[]) => keys.flatMap((key) => (typeof fields[key] === "string" ? [fields[key]] : []));
  return { texts: strings("text", "below"), ids: strings("id") };
}

test("every flow has its place in the order, its app and its name", () => {
  const [order] = documents("config.yaml") as [{ flows: string[]; executionOrder: { flowsOrder: string[] } }];
  expect(order.executionOrder.flowsOrder.map((name) => `${name}.yaml`).sort()).toEqual([...names].sort());
  for (const name of names) {
    expect(documents(name)[0]).toMatchObject({ appId: '${APP_ID || "io.codexrunner.mobile"}', name: name.replace(".yaml", "") });
  }
  expect(config.android?.package).toBe("io.codexrunner.mobile");
});

test("they are made of commands that Maestro knows, told what these may be told", () => {
  for (const { file, name, value } of all) {
    expect(`${file}: ${name in COMMANDS ? "known" : name}`).toBe(`${file}: known`);
    if (isFields(value)) expect({ file, name, rest: Object.keys(value).filter((key) => !COMMANDS[name]?.includes(key)) }).toEqual({ file, name, rest: [] });
  }
});

test("what they touch and wait for is what the app says", () => {
  for (const command of all) {
    for (const text of selectorsOf(command).texts) {
      // Maestro takes texts for regular expressions that match the whole.
      const isKnown = SYSTEM.includes(text) || known.some((other) => new RegExp(`^(?:${text})$`, "s").test(other));
      expect(`${command.file}: ${text} ${isKnown ? "is" : "is not"} there`).toBe(`${command.file}: ${text} is there`);
    }
  }
});

test("the ids that they look for are there", () => {
  const sources = ["src", "app"].flatMap((name) => readdirSync(join(mobile, name), { recursive: true }).map((path) => join(mobile, name, String(path)))).filter((path) => path.endsWith(".tsx"));
  const ids = new Set(sources.flatMap((path) => [...readFileSync(path, "utf8").matchAll(/testID="([\w-]+)"/g)].map(([, id]) => id)));
  for (const command of all) for (const id of selectorsOf(command).ids) expect(ids).toContain(id);
});

test("their links lead into the app, and the files that they run are there", () => {
  for (const link of linked) expect(routeOf(link)).toMatch(/^\//);
  expect(linked.length).toBeGreaterThan(5);
  for (const { value } of all) if (isFields(value) && typeof value["file"] === "string") expect(parts).toContain(value["file"]);
});
