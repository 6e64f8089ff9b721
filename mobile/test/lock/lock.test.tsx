import { act, fireEvent, screen } from "@testing-library/react-native";
import { AppState, type AppStateStatus, Text } from "react-native";

import { AWAY, Lock } from "@/lock/lock";
import { changeSettings } from "@/settings/settings";
import { draw, patient } from "../support/app";

let mockMayPass = true;
jest.mock("@/platform/biometrics", () => ({ biometrics: { isThere: () => Promise.resolve(true), ask: () => Promise.resolve(mockMayPass) } }));

/** AppState is a stand-in here: a test cannot send itself to the background. */
let turn: (state: AppStateStatus) => void = () => undefined;
let now = 1_000_000;

beforeEach(() => {
  mockMayPass = true;
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
