import * as SecureStore from "expo-secure-store";
import { Platform } from "react-native";

/** Tokens may be read after the first unlock, so that the end of a task can be told while the phone lies locked; they never move to another device. */
const options: SecureStore.SecureStoreOptions = { keychainAccessible: SecureStore.AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY };

/** The keychain of iOS, the keystore of Android. */
export const secrets = {
  async get(key: string): Promise<string | null> {
    try {
      return await SecureStore.getItemAsync(key, options);
    } catch (error) {
      // iOS refuses until the device is unlocked for the first time, and gives the secret later. Android's keys break for good, with some restores
      // and some makers' keystores: keeping what nobody can read any more would refuse its owner for ever, even the sign-out.
      if (Platform.OS !== "android") throw error;
      await SecureStore.deleteItemAsync(key, options).catch(() => {});
      return null;
    }
  },
  set: (key: string, value: string): Promise<void> => SecureStore.setItemAsync(key, value, options),
  remove: (key: string): Promise<void> => SecureStore.deleteItemAsync(key, options),
};
