/** What the phone is made of, for tests: memory in place of its stores, and nothing where it would ask a person. */

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

jest.mock("react-native-safe-area-context", () => jest.requireActual<{ default: object }>("react-native-safe-area-context/jest/mock").default);

/** What the keychain has. */
export const secretsOf = (): Map<string, string> => mockSecrets;
/** What is stored beside it. */
export const storageOf = (): Map<string, string> => mockStorage;
