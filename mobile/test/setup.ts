/** What the phone is made of, for tests: memory in place of its stores, and nothing where it would ask a person. */

import { format } from "node:util";

import { timeoutManager } from "@tanstack/react-query";
import { act } from "react";

const mockStorage = new Map<string, string>();
const mockSecrets = new Map<string, string>();

jest.mock("expo-sqlite/kv-store", () => ({
  __esModule: true,
  default: {
    getItemSync: (key: string) => mockStorage.get(key) ?? null,
    setItemSync: (key: string, value: string) => void mockStorage.set(key, value),
    removeItemSync: (key: string) => mockStorage.delete(key),
  },
}));

jest.mock("expo-secure-store", () => ({
  AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: 1,
  getItemAsync: (key: string) => Promise.resolve(mockSecrets.get(key) ?? null),
  setItemAsync: (key: string, value: string) => Promise.resolve(void mockSecrets.set(key, value)),
  deleteItemAsync: (key: string) => Promise.resolve(void mockSecrets.delete(key)),
}));

// A network that stays as it is; `lifecycle.test.tsx` has one that comes and goes.
jest.mock("expo-network", () => ({
  NetworkStateType: { NONE: "NONE", UNKNOWN: "UNKNOWN", WIFI: "WIFI" },
  getNetworkStateAsync: () => Promise.resolve({ isConnected: true, type: "WIFI" }),
  addNetworkStateListener: () => ({ remove: () => undefined }),
}));

jest.mock("react-native-safe-area-context", () => jest.requireActual<{ default: object }>("react-native-safe-area-context/jest/mock").default);

/** What the keychain has. */
export const secretsOf = (): Map<string, string> => mockSecrets;
/** What is stored beside it. */
export const storageOf = (): Map<string, string> => mockStorage;

// Answers that nobody looks at any more are kept for minutes; a test program should not wait for that to pass.
timeoutManager.setTimeoutProvider({
  setTimeout: (run, wait) => unref(setTimeout(run, wait)),
  clearTimeout: (timer) => clearTimeout(timer as number | undefined),
  setInterval: (run, wait) => unref(setInterval(run, wait)),
  clearInterval: (timer) => clearInterval(timer as number | undefined),
});

function unref<T>(timer: T): T {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

export interface Shown {
  identifier: string;
  content: { title: string; body: string; data: { path: string } };
}

const mockShown: Shown[] = [];
const mockPermission = { granted: true, canAskAgain: true };

jest.mock("expo-notifications", () => ({
  AndroidImportance: { DEFAULT: 3 },
  setNotificationHandler: () => undefined,
  setNotificationChannelAsync: () => Promise.resolve(null),
  getPermissionsAsync: () => Promise.resolve(mockPermission),
  requestPermissionsAsync: () => Promise.resolve(mockPermission),
  scheduleNotificationAsync: (notice: Shown) => Promise.resolve(void mockShown.push(notice)),
  dismissAllNotificationsAsync: () => Promise.resolve(void mockShown.splice(0)),
  getLastNotificationResponse: () => null,
  clearLastNotificationResponse: () => undefined,
  addNotificationResponseReceivedListener: () => ({ remove: () => undefined }),
}));

/** The notifications that are to be seen, and whether the owner of the phone allows any. */
export const shown = (): Shown[] => mockShown;
export const permission = (): { granted: boolean; canAskAgain: boolean } => mockPermission;

/** What React and the libraries have complained of since the last look. */
const complaints: string[] = [];
const { error } = console;
console.error = (...args: unknown[]) => {
  complaints.push(format(...args).split("\n", 3).join(" "));
  error(...args);
};

// Whoever complains is heard: an update outside of `act`, for one, comes at another moment some day, and something else fails. What comes after
// the last test counts as well.
const expectNoComplaints = () => expect(complaints.splice(0)).toEqual([]);
afterEach(expectNoComplaints);
afterAll(expectNoComplaints);

/**
 * Timers of components and libraries (lists that measure in batches, queries that tell of answers, buttons that say "Copied" for a while) go off
 * when they like: between two lines of a test, or after its last one. React is to know that as it knows touches, or it complains on slow machines.
 */
type Timer = (run: (...args: unknown[]) => void, wait?: number, ...args: unknown[]) => never;
const inAct =
  (timer: Timer): Timer =>
  (run, wait, ...args) =>
    timer(() => {
      if (!isActing()) run(...args);
      // Nothing is answered: what a timer starts, nobody waits for.
      else act(() => run(...args));
    }, wait);
const isActing = () => (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT === true;
Object.assign(globalThis, { setTimeout: inAct(setTimeout as unknown as Timer), setInterval: inAct(setInterval as unknown as Timer) });
