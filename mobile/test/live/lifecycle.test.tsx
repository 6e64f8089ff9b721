/** The life of the app around a stream. AppState and the network are mocked: jest has neither. */
import { focusManager, onlineManager } from "@tanstack/react-query";
import { act, renderHook, waitFor } from "@testing-library/react-native";
import * as Network from "expo-network";
import { AppState, type AppStateStatus } from "react-native";

import { useTaskStream } from "@/live/use-task-stream";
import { wireQueries } from "@/live/wire-queries";
import { FakeGateway, done, log, status } from "./support";

jest.mock("expo-network", () => ({ NetworkStateType: { WIFI: "WIFI", CELLULAR: "CELLULAR", NONE: "NONE" }, addNetworkStateListener: jest.fn(), getNetworkStateAsync: jest.fn() }));

const app = new Set<(state: AppStateStatus) => void>();
const network = new Set<(state: Network.NetworkState) => void>();
const WIFI: Network.NetworkState = { isConnected: true, type: Network.NetworkStateType.WIFI };
const CELLULAR: Network.NetworkState = { isConnected: true, type: Network.NetworkStateType.CELLULAR };
const NONE: Network.NetworkState = { isConnected: false, type: Network.NetworkStateType.NONE };

let spy: jest.SpyInstance;

beforeEach(() => {
  app.clear();
  network.clear();
  spy = jest.spyOn(AppState, "addEventListener").mockImplementation((_, listener) => {
    app.add(listener);
    return { remove: () => app.delete(listener) };
  });
  jest.mocked(Network.getNetworkStateAsync).mockResolvedValue(WIFI);
  jest.mocked(Network.addNetworkStateListener).mockImplementation((listener) => {
    network.add(listener);
    return { remove: () => network.delete(listener) };
  });
});
// Not all mocks: those of the preset are among them.
afterEach(() => spy.mockRestore());

const turn = async (state: AppStateStatus) => act(async () => app.forEach((listener) => listener(state)));
const connect = async (state: Network.NetworkState) => act(async () => network.forEach((listener) => listener(state)));
const soon = { timeout: 30_000 };
// Longer than one wait, so that a wait that fails says for what.
jest.setTimeout(120_000);

async function watch() {
  const gateway = new FakeGateway();
  const { result, unmount } = renderHook(() => useTaskStream(gateway, "t-1", null));
  await waitFor(() => expect(gateway.asked).toHaveLength(1), soon);
  // Let the first answer about the network arrive.
  await act(async () => {});
  const lines = () => result.current?.view.terminal.lines.map((line) => line.text) ?? [];
  const send = async (...events: Parameters<FakeGateway["send"]>) => {
    gateway.send(...events);
    await act(async () => {});
  };
  await send(status("running"), log(1), log(2));
  await waitFor(() => expect(lines()).toEqual(["line 1", "line 2"]), soon);
  return { gateway, lines, send, unmount, connection: () => result.current?.view.connection };
}

test("in the background there is no connection; in front again it goes on after the last number", async () => {
  const { gateway, lines, send, connection, unmount } = await watch();
  await turn("background");
  expect(gateway.isConnected).toBe(false);
  await waitFor(() => expect(connection()).toEqual({ state: "paused", reason: "hidden" }), soon);
  expect(gateway.asked).toHaveLength(1);
  await turn("active");
  await waitFor(() => expect(gateway.asked).toHaveLength(2), soon);
  expect(gateway.asked[1]?.after).toBe(2);
  await send(status("running"), log(3), done);
  await waitFor(() => expect(lines()).toEqual(["line 1", "line 2", "line 3"]), soon);
  unmount();
});

test("a glance at the notifications does not give the connection up", async () => {
  const { gateway, unmount } = await watch();
  await turn("inactive");
  expect(gateway.isConnected).toBe(true);
  await turn("active");
  expect(gateway.asked).toHaveLength(1);
  unmount();
});

test("in airplane mode it says so and waits; with a network it goes on at once", async () => {
  const { gateway, connection, unmount } = await watch();
  await connect(NONE);
  await waitFor(() => expect(connection()).toEqual({ state: "paused", reason: "offline" }), soon);
  // Coming to the front does not help while there is no network.
  await turn("background");
  await turn("active");
  expect(gateway.asked).toHaveLength(1);
  await waitFor(() => expect(connection()).toEqual({ state: "paused", reason: "offline" }), soon);
  await connect(WIFI);
  await waitFor(() => expect(gateway.asked).toHaveLength(2), soon);
  expect(gateway.asked[1]?.after).toBe(2);
  unmount();
});

test("from one network to another the connection is made anew, without waiting for the old one to fall silent", async () => {
  const { gateway, unmount } = await watch();
  await connect(CELLULAR);
  expect(gateway.asked[0]?.signal?.aborted).toBe(true);
  await waitFor(() => expect(gateway.asked).toHaveLength(2), soon);
  expect(gateway.asked[1]?.after).toBe(2);
  unmount();
});

test("who leaves the screen leaves no connection and no listener behind", async () => {
  const { gateway, unmount } = await watch();
  unmount();
  expect(gateway.isConnected).toBe(false);
  expect(app.size + network.size).toBe(0);
});

test("queries ask for nothing while nobody looks, or while there is no network", async () => {
  const stop = wireQueries();
  await act(async () => {});
  expect([focusManager.isFocused(), onlineManager.isOnline()]).toEqual([true, true]);
  await turn("background");
  await connect(NONE);
  expect([focusManager.isFocused(), onlineManager.isOnline()]).toEqual([false, false]);
  await turn("active");
  await connect(WIFI);
  expect([focusManager.isFocused(), onlineManager.isOnline()]).toEqual([true, true]);
  stop();
});
