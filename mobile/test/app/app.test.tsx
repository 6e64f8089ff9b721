import { act, fireEvent, screen, waitFor } from "@testing-library/react-native";
import { renderRouter } from "expo-router/testing-library";

import { readComposer, changeComposer } from "@/composer/kept";
import { currentServer, listServers } from "@/servers/servers";
import { signOut } from "@/servers/session";
import { SERVER, clientFor, patient, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";

/** The routes of the app itself, opened as the system opens them. */

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));
jest.mock("expo-task-manager", () => ({ defineTask: () => undefined, isTaskRegisteredAsync: () => Promise.resolve(false) }));
jest.mock("expo-background-task", () => ({ BackgroundTaskResult: { Success: 1 } }));

const mockTake = jest.fn(() => "");
jest.mock("@/platform/incoming", () => ({ incoming: { take: () => mockTake() } }));

beforeEach(() => {
  mockGateway = new Gateway();
  mockTake.mockReturnValue("");
  startAnew();
});

const start = (initialUrl: string) => renderRouter("./app", { initialUrl });
const prompt = () => screen.findByLabelText("What should Codex do?", undefined, patient);

test("a link to a task leads there, also through the sign-in", async () => {
  const task = mockGateway.add({ prompt: "Paint the fence" });
  await signedIn();
  await signOut(SERVER);
  const app = start(`/task/${task.task_id}`);
  fireEvent.changeText(await screen.findByLabelText("Password", undefined, patient), "right");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  expect((await screen.findAllByText(/Paint the fence/, undefined, patient))[0]).toBeOnTheScreen();
  expect(app.getPathname()).toBe(`/task/${task.task_id}`);
});

test("a link of another server that is known turns to it", async () => {
  const other = "https://other.example.com";
  const task = mockGateway.add({ prompt: "Paint the fence" });
  await signedIn(other);
  await signedIn();
  start(`/open?server=${encodeURIComponent(other)}&task=${task.task_id}`);
  expect((await screen.findAllByText(/Paint the fence/, undefined, patient))[0]).toBeOnTheScreen();
  expect(currentServer()?.url).toBe(other);
});

test("a link of a server that nobody added asks nothing of it", async () => {
  await signedIn();
  start(`/open?server=${encodeURIComponent("https://evil.example.com")}&task=0198c7f2-1111-7222-8333-444455556666`);
  expect(await screen.findByText(/evil.example.com, which is none of your servers/, undefined, patient)).toBeOnTheScreen();
  expect(listServers().map(({ url }) => url)).toEqual([SERVER]);
});

test("such a server can be added there, and the link goes on after the sign-in", async () => {
  const task = mockGateway.add({ prompt: "Paint the fence" });
  await signedIn();
  const app = start(`/open?server=${encodeURIComponent("https://other.example.com")}&task=${task.task_id}`);
  fireEvent.press(await screen.findByRole("button", { name: "Add other.example.com" }, patient));
  fireEvent.changeText(await screen.findByLabelText("Email", undefined, patient), "ada@example.com");
  fireEvent.changeText(screen.getByLabelText("Password"), "right");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  expect((await screen.findAllByText(/Paint the fence/, undefined, patient))[0]).toBeOnTheScreen();
  await waitFor(() => expect(app.getPathname()).toBe(`/task/${task.task_id}`), patient);
  expect(currentServer()?.url).toBe("https://other.example.com");
});

test("a link of another server that nobody is signed in at goes on after the sign-in, and only once", async () => {
  const other = "https://other.example.com";
  const task = mockGateway.add({ prompt: "Paint the fence" });
  await signedIn(other);
  await signOut(other);
  await signedIn();
  const app = start(`/open?server=${encodeURIComponent(other)}&task=${task.task_id}`);
  fireEvent.changeText(await screen.findByLabelText("Password", undefined, patient), "right");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  await waitFor(() => expect(app.getPathname()).toBe(`/task/${task.task_id}`), patient);
  expect(currentServer()?.url).toBe(other);
  fireEvent.press(await screen.findByRole("button", { name: "Back to the tasks" }, patient));
  await waitFor(() => expect(app.getPathname()).toBe("/"), patient);
});

test("who was signed out by the gateway is at the same task after the next sign-in", async () => {
  const task = mockGateway.add({ prompt: "Paint the fence" });
  await signedIn();
  const app = start("/");
  fireEvent.press((await screen.findAllByText(/Paint the fence/, undefined, patient))[0]!);
  await waitFor(() => expect(app.getPathname()).toBe(`/task/${task.task_id}`), patient);
  await screen.findByRole("button", { name: "Use prompt again" }, patient);
  mockGateway.access.clear();
  mockGateway.refresh.clear();
  await act(async () => {
    await clientFor(SERVER).me().catch(() => {});
  });
  fireEvent.changeText(await screen.findByLabelText("Password", undefined, patient), "right");
  fireEvent.press(screen.getByRole("button", { name: "Sign in" }));
  await screen.findByRole("button", { name: "Use prompt again" }, patient);
  expect(app.getPathname()).toBe(`/task/${task.task_id}`);
});

test("a shared prompt waits in the field, and nothing is sent", async () => {
  await signedIn();
  start("/new?prompt=Fix%20the%20sign%0Aplease");
  expect(await prompt()).toHaveDisplayValue("Fix the sign\nplease");
  expect(mockGateway.created).toEqual([]);
});

test("text that another app shares does not take the place of a draft unasked", async () => {
  await signedIn();
  changeComposer(SERVER, { draft: "half a thought" });
  mockTake.mockReturnValue("https://example.com/bug/17");
  start("/new?shared=1");
  expect(await screen.findByText("Replace what you have written?", undefined, patient)).toBeOnTheScreen();
  expect(readComposer(SERVER).draft).toBe("half a thought");
  await act(async () => fireEvent.press(screen.getByRole("button", { name: "Replace" })));
  expect(await prompt()).toHaveDisplayValue("https://example.com/bug/17");
});
