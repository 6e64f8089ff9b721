/** What a task changed, on a small screen. */
import "../support/lists";

import { fireEvent, screen, waitFor, within } from "@testing-library/react-native";

import { CODE_TONES, toneOf } from "@/live/code-line";
import { ChangesPanel } from "@/task/changes-panel";
import { LONGEST, PART } from "@/task/diff-rows";
import { palettes } from "@/ui/theme";
import { drawSignedIn, patient, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";
import { contrast } from "../support/contrast";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));
const mockCopied = jest.fn<Promise<void>, [string]>(async () => {});
jest.mock("expo-clipboard", () => ({ setStringAsync: (text: string) => mockCopied(text) }));
const mockHandedOver = jest.fn<Promise<void>, string[]>(async () => {});
// As many rows as there are on a screen: what draws thousands of them in parts is the same.
jest.mock("@/task/diff-rows", () => ({ ...jest.requireActual<object>("@/task/diff-rows"), PART: 10 }));
jest.mock("@/live/hand-over", () => ({ handOver: (...args: string[]) => mockHandedOver(...args) }));

beforeEach(async () => {
  mockGateway = new Gateway();
  startAnew();
  await signedIn();
  jest.clearAllMocks();
});

const ID = "0198c7f2-0000-7000-8000-000000000001";
const lines = (...all: string[]) => `${all.join("\n")}\n`;
const code = lines("diff --git a/src/main.rs b/src/main.rs", "index 1..2 100644", "--- a/src/main.rs", "+++ b/src/main.rs", "@@ -7,2 +7,3 @@ fn main()", " fn main() {", "-    old();", "+\tlet x = 1;", "+    new();", "\\ No newline at end of file");
const renamed = lines("diff --git a/run.sh b/bin/run", "old mode 100644", "new mode 100755", "similarity index 100%", "rename from run.sh", "rename to bin/run");
const binary = lines("diff --git a/a.png b/a.png", "new file mode 100644", "index 0..1", "GIT binary patch", "literal 4", "LcmZQzWcm*P0SW;F", "", "literal 0", "HcmV?d00001", "");

function draw(patch: string, truncated = false): void {
  mockGateway.answers.set(`GET /api/tasks/${ID}/patch`, () => new Response(patch, { headers: truncated ? { "x-codex-patch-truncated": "true" } : {} }));
  drawSignedIn(<ChangesPanel id={ID} isFinal />);
}
const open = async (name: RegExp) => fireEvent.press(await screen.findByRole("button", { name }, patient));
/** What stands in a row, as it is read. */
const textOf = (row: ReturnType<typeof screen.getByTestId>) => within(row).getAllByText(/\S/).map((text) => (text.children as unknown[]).filter((child) => typeof child === "string").join("")).filter((text) => text.trim()).join(" ");
const press = (name: string | RegExp) => fireEvent.press(screen.getByRole("button", { name }));

test("the list says of each file what happened to it", async () => {
  draw(code + renamed + binary);
  expect(await screen.findByText("3 files changed", undefined, patient)).toBeOnTheScreen();
  const rows = screen.getAllByTestId("file");
  expect(rows.map((row) => textOf(row))).toEqual([
    "main.rs src/ changed +2 −1",
    "run bin/ from run.sh plain file → executable renamed +0 −0",
    "a.png added +0 −0",
  ]);
});

test("a file shows its lines with numbers and colours, and is copied by itself", async () => {
  draw(renamed + code);
  await open(/main\.rs/);
  expect(screen.getByText("@@ -7,2 +7,3 @@ fn main()")).toBeOnTheScreen();
  const added = screen.getAllByTestId("line-insert");
  expect(added).toHaveLength(2);
  expect(added[1]).toHaveAccessibleName("added     new(); no line end at the end of the file");
  expect(within(added[1]!).getByText("9 +", { includeHiddenElements: true })).toBeTruthy();
  expect(within(added[0]!).getByText("let")).toHaveStyle({ color: palettes.light.accent });
  expect(screen.getByTestId("line-delete")).toHaveAccessibleName("removed     old();");
  press("Copy the patch of this file");
  await waitFor(() => expect(mockCopied).toHaveBeenLastCalledWith(code), patient);
});

test("one goes from file to file, and back to where the list was left", async () => {
  draw(code + renamed + binary);
  await open(/main\.rs/);
  expect(screen.getByRole("button", { name: "Previous file" })).toBeDisabled();
  press("Next file: run ›");
  expect(screen.getByRole("heading", { name: "run.sh → bin/run" })).toBeOnTheScreen();
  expect(screen.getByText("No lines changed.")).toBeOnTheScreen();
  expect(screen.getByText("plain file → executable")).toBeOnTheScreen();
  press("Next file");
  expect(screen.getByText(/A binary file/)).toBeOnTheScreen();
  expect(screen.getByRole("button", { name: "Next file" })).toBeDisabled();
  press("All files");
  expect(screen.getByText("3 files changed")).toBeOnTheScreen();
});

test("a large file comes in parts, and a line of a program's making is cut", async () => {
  const count = PART * 2;
  const many = Array.from({ length: count }, (_, index) => `+line ${index}`);
  draw(lines("diff --git a/big.txt b/big.txt", "new file mode 100644", "--- /dev/null", "+++ b/big.txt", `@@ -0,0 +1,${count + 1} @@`, `+${"x".repeat(LONGEST + 1_234)}`, ...many));
  await open(/big\.txt/);
  expect(screen.getAllByTestId("line-insert")).toHaveLength(PART - 1);
  expect(screen.getByText("… 1,234 more characters")).toBeOnTheScreen();
  press("Show 10 more lines");
  press("Show 2 more lines");
  expect(screen.getAllByTestId("line-insert")).toHaveLength(count + 1);
  expect(screen.queryByRole("button", { name: /more lines/ })).toBeNull();
});

test("long lines are wrapped or scrolled sideways", async () => {
  draw(code);
  await open(/main\.rs/);
  press("Do not wrap");
  expect(screen.getAllByTestId("line-insert")).toHaveLength(2);
  press("Wrap lines");
  expect(screen.getAllByTestId("line-insert")).toHaveLength(2);
});

test("the whole patch is shared and copied, also as a command", async () => {
  draw(code);
  await screen.findByText("1 file changed", undefined, patient);
  press("Share patch");
  await waitFor(() => expect(mockHandedOver).toHaveBeenCalledWith(code, `${ID}.patch`, "text/x-diff"), patient);
  press("Copy patch");
  await waitFor(() => expect(mockCopied).toHaveBeenLastCalledWith(code), patient);
  press("Copy as git apply");
  await waitFor(() => expect(mockCopied).toHaveBeenLastCalledWith(expect.stringMatching(/^git apply <<'CODEX_PATCH'\n/)), patient);
});

test("a patch of which nothing was kept, or that nobody understands, is not called no change", async () => {
  draw("", true);
  expect(await screen.findByText(/too long to be kept whole/, undefined, patient)).toBeOnTheScreen();
  screen.unmount();
  startAnew();
  await signedIn();
  draw("Only in a: b\n");
  expect(await screen.findByText(/no form that can be shown/, undefined, patient)).toBeOnTheScreen();
  expect(screen.getByRole("button", { name: "Share patch" })).toBeOnTheScreen();
});

test("no change is said", async () => {
  draw("");
  expect(await screen.findByText("The task did not change any file.", undefined, patient)).toBeOnTheScreen();
});

describe("colours of code", () => {
  test("the innermost kind decides; others have none", () => {
    expect(toneOf({ text: "x", classes: ["hljs-string", "hljs-subst"] })).toBe("good");
    expect(toneOf({ text: "x", classes: ["hljs-string", "hljs-number"] })).toBe("warn");
    expect(toneOf({ text: "x", classes: ["hljs-operator"] })).toBeNull();
  });

  test.each(["light", "dark"] as const)("can be read on every ground that code has (%s)", (name) => {
    const colors = palettes[name];
    for (const tone of [...CODE_TONES, "text"] as const) {
      for (const ground of ["ground", "raised", "sunken", "added", "removed"] as const) {
        expect({ tone, ground, isReadable: contrast(colors[tone], colors[ground]) >= 4.5 }).toEqual({ tone, ground, isReadable: true });
      }
    }
  });
});
