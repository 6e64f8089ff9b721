import { act, fireEvent, screen, waitFor } from "@testing-library/react-native";

import { History } from "@/history/history";
import { drawSignedIn, patient, signedIn, startAnew } from "../support/app";
import { Gateway } from "../support/gateway";

let mockGateway = new Gateway();
jest.mock("@/platform/fetch", () => ({ fetch: (...args: Parameters<Gateway["fetch"]>) => mockGateway.fetch(...args) }));
jest.mock("expo-router", () => ({ useIsFocused: () => true }));

beforeEach(async () => {
  mockGateway = new Gateway();
  startAnew();
  await signedIn();
});

const nothing = { onOpen: jest.fn(), onCompose: jest.fn() };
const entry = (name: RegExp) => screen.findByRole("link", { name }, patient);
const entries = () => screen.queryAllByTestId("entry-title").map(({ props }) => (props as { children: string }).children);

test("tasks are told with their state, and opened by a touch", async () => {
  const failed = mockGateway.add({ prompt: "Paint the fence\nin green", status: "error", reason: "Timeout" });
  const onOpen = jest.fn();
  drawSignedIn(<History {...nothing} onOpen={onOpen} />);
  const link = await entry(/^Paint the fence$/);
  expect(link).toHaveTextContent(/^Paint the fenceFailed\s*now · demo · Time limit/);
  fireEvent.press(link);
  expect(onOpen).toHaveBeenCalledWith(expect.objectContaining({ task_id: failed.task_id }));
});

test("more come at the end of the list, each once", async () => {
  mockGateway.page = 3;
  for (let n = 1; n <= 8; n++) mockGateway.add({ prompt: `task ${n}` });
  drawSignedIn(<History {...nothing} />);
  await entry(/^task 8$/);
  expect(screen.getByTestId("total")).toHaveTextContent("3 of 8");
  for (const shown of [6, 8]) {
    fireEvent(screen.getByTestId("history"), "endReached");
    await waitFor(() => expect(entries()).toHaveLength(shown), patient);
  }
  expect(entries()).toEqual([8, 7, 6, 5, 4, 3, 2, 1].map((n) => `task ${n}`));
  fireEvent(screen.getByTestId("history"), "endReached");
  expect(mockGateway.requests.filter((name) => name.includes("cursor=")).length).toBe(2);
});

test("an end that is reached while the list is read again is not forgotten: the list says it only once", async () => {
  mockGateway.page = 3;
  for (let n = 1; n <= 5; n++) mockGateway.add({ prompt: `task ${n}` });
  drawSignedIn(<History {...nothing} />);
  await entry(/^task 5$/);
  const answers: (() => void)[] = [];
  mockGateway.hold = new Promise((done) => answers.push(done));
  const list = screen.getByTestId("history");
  act(() => (list.props as { refreshControl: { props: { onRefresh: () => void } } }).refreshControl.props.onRefresh());
  const asked = mockGateway.requests.length;
  fireEvent(list, "endReached");
  mockGateway.hold = null;
  answers.forEach((answer) => answer());
  await waitFor(() => expect(entries()).toEqual([5, 4, 3, 2, 1].map((n) => `task ${n}`)), patient);
  expect(mockGateway.requests.slice(asked - 1).filter((name) => name.includes("cursor="))).toHaveLength(1);
});

test("words and states are asked of the gateway, and cleared again", async () => {
  mockGateway.add({ prompt: "red door", status: "completed" });
  mockGateway.add({ prompt: "red fence", status: "error" });
  mockGateway.add({ prompt: "green fence", status: "error" });
  drawSignedIn(<History {...nothing} />);
  await entry(/^red door/);
  fireEvent.press(screen.getByRole("radio", { name: "Failed" }));
  await waitFor(() => expect(entries()).toEqual(["green fence", "red fence"]), patient);
  expect(screen.getByRole("radio", { name: "Failed" })).toBeChecked();
  fireEvent.changeText(screen.getByLabelText("Search tasks"), "red");
  await waitFor(() => expect(entries()).toEqual(["red fence"]), patient);
  fireEvent.changeText(screen.getByLabelText("Search tasks"), "blue");
  expect(await screen.findByText("No task matches", undefined, patient)).toBeOnTheScreen();
  fireEvent.press(screen.getByRole("button", { name: "Clear the filter" }));
  await waitFor(() => expect(entries()).toEqual(["green fence", "red fence", "red door"]), patient);
});

test("pulling asks anew", async () => {
  mockGateway.add({ prompt: "first" });
  drawSignedIn(<History {...nothing} />);
  await entry(/^first/);
  mockGateway.add({ prompt: "second" });
  const { refreshControl } = screen.getByTestId("history").props as { refreshControl: { props: { onRefresh: () => void } } };
  await act(async () => refreshControl.props.onRefresh());
  await entry(/^second/);
});

test("who has no tasks yet is led to the composer", async () => {
  const onCompose = jest.fn();
  drawSignedIn(<History {...nothing} onCompose={onCompose} />);
  fireEvent.press(await screen.findByRole("button", { name: "New task" }, patient));
  expect(onCompose).toHaveBeenCalled();
});

test("a gateway that is away is said, and asked again by a touch", async () => {
  mockGateway.answers.set("GET /api/tasks", () => new Response('{"error":{"code":"internal","message":"the database is away","request_id":"req-9"}}', { status: 500 }));
  drawSignedIn(<History {...nothing} />);
  expect(await screen.findByText("the database is away", undefined, patient)).toBeOnTheScreen();
  mockGateway.answers.clear();
  mockGateway.add({ prompt: "still there" });
  fireEvent.press(screen.getByRole("button", { name: "Try again" }));
  await entry(/^still there/);
});
