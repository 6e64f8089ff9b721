import * as SecureStore from "expo-secure-store";

/** Tokens may be read after the first unlock, so that the end of a task can be told while the phone lies locked; they never move to another device. */
const options: SecureStore.SecureStoreOptions = { keychainAccessible: SecureStore.AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY };

/** The keychain of iOS, the keystore of Android. */
export const secrets = {
  get: (key: string): Promise<string | null> => SecureStore.getItemAsync(key, options),
  set: (key: string, value: string): Promise<void> => SecureStore.setItemAsync(key, value, options),
  remove: (key: string): Promise<void> => SecureStore.deleteItemAsync(key, options),
};
