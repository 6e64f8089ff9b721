import Storage from "expo-sqlite/kv-store";

/** Small things that are no secrets, kept between starts. Synchronous, so that the first picture is already the right one. */
export const storage = {
  get: (key: string): string | null => Storage.getItemSync(key),
  set: (key: string, value: string): void => Storage.setItemSync(key, value),
  remove: (key: string): void => {
    Storage.removeItemSync(key);
  },
};
