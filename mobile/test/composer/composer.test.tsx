import { fireEvent, screen, waitFor } from "@testing-library/react-native";

import { Composer } from "@/composer/composer";
import { MOST_RECENT, readComposer, remember } from "@/composer/kept";
import { watched } from "@/notices/watched";
import { SERVER, drawSignedIn, patient, signedIn, startAnew } from "../support/app";
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
