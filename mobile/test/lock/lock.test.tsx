import { act, fireEvent, screen } from "@testing-library/react-native";
import { AppState, type AppStateStatus, Text } from "react-native";

import { AWAY, Lock } from "@/lock/lock";
import { changeSettings } from "@/settings/settings";
import { Dialog } from "@/ui/dialog";
import { draw, patient } from "../support/app";

let mockMayPass = true;
const mockAsk = jest.fn(() => Promise.resolve(mockMayPass));
jest.mock("@/platform/biometrics", () => ({ biometrics: { isThere: () => Promise.resolve(true), ask: () => mockAsk() } }));

/** AppState is a stand-in here: a test cannot send itself to the background. */
let turn: (state: AppStateStatus) => void = () => undefined;
let now = 1_000_000;

beforeEach(() => {
  mockMayPass = true;
  mockAsk.mockClear();
  AppState.currentState = "active";
  now = 1_000_000;
  jest.spyOn(Date, "now").mockImplementation(() => now);
  const listeners = new Set<(state: AppStateStatus) => void>();
  jest.spyOn(AppState, "addEventListener").mockImplementation((_, listener) => {
    listeners.add(listener);
    return { remove: () => void listeners.delete(listener) };
  });
  turn = (state) => act(() => listeners.forEach((listener) => listener(state)));
});

afterEach(() => jest.restoreAllMocks());

const open = () =>
  draw(
    <Lock>
      <Text>inside</Text>
    </Lock>,
  );

const away = (time: number) => {
  turn("background");
  now += time;
  turn("active");
};

test("nothing is asked of who has not asked for it", () => {
  changeSettings({ lock: false });
  open();
  away(10 * AWAY);
  expect(screen.getByText("inside")).toBeVisible();
});

test("the app starts locked, and stays so until its owner is recognised", async () => {
  changeSettings({ lock: true });
  mockMayPass = false;
  open();
  const unlock = await screen.findByRole("button", { name: "Unlock" }, patient);
  expect(screen.queryByText("inside")).toBeNull();
  await act(async () => fireEvent.press(unlock));
  expect(screen.queryByText("inside")).toBeNull();
  mockMayPass = true;
  await act(async () => fireEvent.press(screen.getByRole("button", { name: "Unlock" })));
  expect(await screen.findByText("inside", undefined, patient)).toBeVisible();
});

test("looking something up elsewhere costs nothing, a longer while does", async () => {
  changeSettings({ lock: true });
  open();
  expect(await screen.findByText("inside", undefined, patient)).toBeVisible();
  mockMayPass = false;
  away(AWAY - 1);
  expect(screen.getByText("inside")).toBeVisible();
  away(AWAY);
  expect(await screen.findByRole("button", { name: "Unlock" }, patient)).toBeVisible();
  expect(screen.queryByText("inside")).toBeNull();
});

test("setting the clock back does not help", async () => {
  changeSettings({ lock: true });
  open();
  expect(await screen.findByText("inside", undefined, patient)).toBeVisible();
  mockMayPass = false;
  away(-60_000);
  expect(await screen.findByRole("button", { name: "Unlock" }, patient)).toBeVisible();
});

test("the picture among the recent apps shows nothing, also of a dialog", async () => {
  changeSettings({ lock: true });
  draw(
    <Lock>
      <Dialog isOpen onClose={() => undefined} title="Cancel the task?">
        <Text>secret</Text>
      </Dialog>
    </Lock>,
  );
  expect(await screen.findByText("secret", undefined, patient)).toBeVisible();
  expect(screen.queryByTestId("cover")).toBeNull();
  // What iOS says before it takes the picture; nobody is asked for anything when they come back at once.
  turn("inactive");
  expect(screen.getByTestId("cover")).toBeVisible();
  expect(screen.queryByText("secret")).toBeNull();
  turn("active");
  expect(screen.queryByTestId("cover")).toBeNull();
  expect(screen.getByText("secret")).toBeVisible();
  expect(mockAsk).toHaveBeenCalledTimes(1);
});

test("without the lock nothing is covered", () => {
  changeSettings({ lock: false });
  open();
  turn("inactive");
  expect(screen.queryByTestId("cover")).toBeNull();
});

test("started behind other apps, it asks when it comes to the front", async () => {
  changeSettings({ lock: true });
  AppState.currentState = "background";
  open();
  expect(screen.queryByText("inside")).toBeNull();
  expect(mockAsk).not.toHaveBeenCalled();
  turn("active");
  expect(await screen.findByText("inside", undefined, patient)).toBeVisible();
});

test("turning back from the screen that asks for the code does not ask again by itself", async () => {
  changeSettings({ lock: true });
  let answer: (mayPass: boolean) => void = () => undefined;
  mockAsk.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
  open();
  // On some devices that screen is an app of its own.
  turn("background");
  await act(async () => answer(false));
  turn("active");
  expect(screen.getByRole("button", { name: "Unlock" })).toBeVisible();
  expect(mockAsk).toHaveBeenCalledTimes(1);
});
