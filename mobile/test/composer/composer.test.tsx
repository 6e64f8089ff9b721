import { fireEvent, screen, waitFor } from "@testing-library/react-native";

import { Composer } from "@/composer/composer";
import { MOST_RECENT, readComposer, remember } from "@/composer/kept";
import { watched } from "@/notices/watched";
import { SERVER, drawSignedIn, patient, signedIn, startAnew } from "../support/app";
import { secretsOf, storageOf } from "../setup";
import { Gateway, refusal } from "../support/gateway";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));

beforeEach(async () => {
  mockGateway = new Gateway();
  startAnew();
  await signedIn();
});

const prompt = () => screen.getByLabelText("What should Codex do?");
const start = () => screen.getByRole("button", { name: "Start task" });
const isLoaded = () => screen.findByRole("button", { name: "Repository: demo" }, patient);

test("a prompt becomes a task, once, and the field is free for the next one", async () => {
  const onStarted = jest.fn();
  drawSignedIn(<Composer onStarted={onStarted} />);
  await isLoaded();
  fireEvent.changeText(prompt(), "Fix the sign.\nAnd the door.");
  fireEvent.press(start());
  fireEvent.press(screen.getByRole("button", { name: /^Start/ }));
  await waitFor(() => expect(onStarted).toHaveBeenCalledTimes(1), patient);
  expect(mockGateway.created).toHaveLength(1);
  expect(mockGateway.created[0]?.body).toEqual({ prompt: "Fix the sign.\nAnd the door.", cwd: "/srv/repos/demo" });
  expect(mockGateway.created[0]?.key).toBeTruthy();
  expect(prompt()).toHaveDisplayValue("");
  expect(watched(SERVER)).toEqual([mockGateway.tasks[0]?.task_id]);
});

test("nothing but words is no prompt", async () => {
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  await isLoaded();
  expect(start()).toBeDisabled();
  fireEvent.changeText(prompt(), " \n ");
  expect(start()).toBeDisabled();
  fireEvent.changeText(prompt(), "x");
  expect(start()).toBeEnabled();
});

test("what the gateway refuses stays in the field, with the reason", async () => {
  const onStarted = jest.fn();
  mockGateway.answers.set("POST /api/tasks", () => refusal(400, "invalid", "model is not known", { field: "model" }));
  drawSignedIn(<Composer onStarted={onStarted} />);
  await isLoaded();
  fireEvent.changeText(prompt(), "Fix the sign");
  fireEvent.press(start());
  expect(await screen.findByText("The task was not started", undefined, patient)).toBeOnTheScreen();
  expect(screen.getByText("Request req-1")).toBeOnTheScreen();
  expect(prompt()).toHaveDisplayValue("Fix the sign");
  expect(onStarted).not.toHaveBeenCalled();
  // The options were closed; what is wrong in them is shown all the same, and stays shown when it is solved.
  expect(screen.getByLabelText("Model")).toHaveProp("accessibilityHint", "model is not known");
  fireEvent.changeText(screen.getByLabelText("Model"), "small");
  expect(screen.queryByText("model is not known")).toBeNull();
  expect(screen.getByLabelText("Model")).toBeOnTheScreen();
});

test.each([
  ["prompt", "What should Codex do?"],
  ["cwd", "Folder in the repository"],
  ["timeout_seconds", "Time limit in minutes"],
])("what the gateway says of %s stands at its field", async (field, label) => {
  mockGateway.answers.set("POST /api/tasks", () => refusal(400, "invalid", "not like that", { field }));
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  await isLoaded();
  fireEvent.changeText(prompt(), "Fix the sign");
  fireEvent.press(start());
  await screen.findByText("The task was not started", undefined, patient);
  expect(screen.getByLabelText(label)).toHaveProp("accessibilityHint", "not like that");
});

describe("variables", () => {
  const options = async () => {
    drawSignedIn(<Composer onStarted={jest.fn()} />);
    await isLoaded();
    fireEvent.changeText(prompt(), "Fix the sign");
    fireEvent.press(screen.getByRole("button", { name: "Options" }));
  };
  const add = (name: string, value: string) => {
    fireEvent.press(screen.getByRole("button", { name: "Add a variable" }));
    fireEvent.changeText(screen.getAllByLabelText("Name").at(-1)!, name);
    fireEvent.changeText(screen.getAllByLabelText(name ? `Value of ${name}` : "Value").at(-1)!, value);
  };

  test("go along with the task, and nothing of them stays", async () => {
    await options();
    add("RUST_LOG", " debug");
    add("GONE", "x");
    add("CI", "");
    fireEvent.press(screen.getByRole("button", { name: "Remove GONE" }));
    fireEvent.press(start());
    await waitFor(() => expect(mockGateway.created[0]?.body).toMatchObject({ env: { RUST_LOG: " debug", CI: "" } }), patient);
    await waitFor(() => expect(screen.queryByLabelText("Value of RUST_LOG")).toBeNull(), patient);
    const kept = [...storageOf().values(), ...secretsOf().values()].join();
    expect(kept).toContain("Fix the sign");
    expect(kept).not.toMatch(/RUST_LOG|debug/);
    // Nor does the next task have them.
    fireEvent.changeText(prompt(), "And now the door");
    fireEvent.press(start());
    await waitFor(() => expect(mockGateway.created).toHaveLength(2), patient);
    expect(mockGateway.created[1]?.body).not.toHaveProperty("env");
    await waitFor(() => expect(prompt()).toHaveDisplayValue(""), patient);
  });

  test("what the gateway would refuse is said before it is asked", async () => {
    await options();
    add("PATH", "/tmp");
    expect(screen.getByText(/steers the loader/)).toBeOnTheScreen();
    expect(start()).toBeDisabled();
    fireEvent.changeText(screen.getByLabelText("Name"), "1A");
    expect(screen.getByText(/not starting with a digit/)).toBeOnTheScreen();
    fireEvent.changeText(screen.getByLabelText("Name"), "");
    expect(screen.getByText("The value has no name.")).toBeOnTheScreen();
    fireEvent.changeText(screen.getByLabelText("Name"), "OK");
    expect(start()).toBeEnabled();
    add("OK", "again");
    expect(screen.getByText("This name is there already.")).toBeOnTheScreen();
    expect(start()).toBeDisabled();
  });

  test("what the gateway says of one stands at its row, and what it says of all below them", async () => {
    const message = 'env name "MINE" is not on the allow-list; allowed are: CI';
    mockGateway.answers.set("POST /api/tasks", () => refusal(400, "invalid", message, { field: "env" }));
    await options();
    add("CI", "1");
    add("MINE", "1");
    fireEvent.press(start());
    await screen.findByText("The task was not started", undefined, patient);
    const [ci, mine] = screen.getAllByLabelText("Name");
    expect(mine).toHaveProp("accessibilityHint", message);
    expect(ci).not.toHaveProp("accessibilityHint", message);
    mockGateway.answers.set("POST /api/tasks", () => refusal(400, "invalid", "env is not allowed here", { field: "env" }));
    fireEvent.press(start());
    await waitFor(() => expect(screen.getAllByText("env is not allowed here")).toHaveLength(2), patient);
  });

  test("a credential is not shown while it is typed, and said to be none of the agent's business", async () => {
    await options();
    add("GITHUB_TOKEN", "abc");
    const value = () => screen.getByLabelText("Value of GITHUB_TOKEN");
    expect(value()).toHaveProp("secureTextEntry", true);
    expect(screen.getByText(/looks like a credential/)).toBeOnTheScreen();
    fireEvent.press(screen.getByRole("button", { name: "Show the value" }));
    expect(value()).not.toHaveProp("secureTextEntry", true);
    fireEvent.press(screen.getByRole("button", { name: "Hide the value" }));
    expect(value()).toHaveProp("secureTextEntry", true);
    fireEvent.changeText(screen.getByLabelText("Name"), "LEVEL");
    expect(screen.getByLabelText("Value of LEVEL")).not.toHaveProp("secureTextEntry", true);
    expect(screen.getByLabelText("Value of LEVEL").props).toMatchObject({ autoCorrect: false, autoComplete: "off", importantForAutofill: "no" });
  });
});

test("folder, model and time limit go along; a wrong limit is said before anything is sent", async () => {
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  await isLoaded();
  fireEvent.changeText(prompt(), "Fix the sign");
  fireEvent.press(screen.getByRole("button", { name: "Options" }));
  expect(screen.getByPlaceholderText("Empty for 30")).toBeOnTheScreen();
  fireEvent.changeText(screen.getByLabelText("Folder in the repository"), "/web/src/");
  fireEvent.changeText(screen.getByLabelText("Model"), " large ");
  fireEvent.changeText(screen.getByLabelText("Time limit in minutes"), "2000");
  expect(screen.getByText(/from 1 to 1440/)).toBeOnTheScreen();
  expect(start()).toBeDisabled();
  fireEvent.changeText(screen.getByLabelText("Time limit in minutes"), "1,5");
  fireEvent.press(start());
  await waitFor(() => expect(mockGateway.created).toHaveLength(1), patient);
  expect(mockGateway.created[0]?.body).toEqual({ prompt: "Fix the sign", cwd: "/srv/repos/demo/web/src", model: "large", timeout_seconds: 90 });
});

test("another repository is chosen from the sheet, and stays chosen", async () => {
  mockGateway.repositories.push({ name: "site", path: "/srv/repos/site", description: "The site", default: false, model: null, timeout_seconds: 60 });
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  fireEvent.press(await isLoaded());
  fireEvent.press(screen.getByRole("radio", { name: "site" }));
  expect(screen.getByRole("button", { name: "Repository: site" })).toBeOnTheScreen();
  expect(readComposer(SERVER).repository).toBe("/srv/repos/site");
});

test("recent prompts are there again by a touch, the newest first, and bounded", async () => {
  for (let n = 1; n <= MOST_RECENT + 2; n++) remember(SERVER, `prompt ${n}`);
  remember(SERVER, "prompt 5");
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  const entries = screen.getAllByRole("button", { name: /^prompt \d/ });
  expect(entries).toHaveLength(MOST_RECENT);
  expect(entries[0]).toHaveAccessibleName("prompt 5");
  fireEvent.press(screen.getByRole("button", { name: "prompt 4" }));
  expect(prompt()).toHaveDisplayValue("prompt 4");
  fireEvent.press(screen.getByRole("button", { name: "Forget them" }));
  expect(screen.queryByText("Recent prompts")).toBeNull();
});

test("the field leaves dictation and corrections to the system, and grows", async () => {
  drawSignedIn(<Composer onStarted={jest.fn()} />);
  const { props } = prompt() as { props: Record<string, unknown> };
  expect(props).toMatchObject({ multiline: true, scrollEnabled: false });
  expect(props).not.toHaveProperty("autoCorrect", false);
  expect(props).not.toHaveProperty("maxLength");
});
