import { clearSharedPayloads, getSharedPayloads } from "expo-sharing";

/** Text that another app has shared into this one. It is there once. */
export const incoming = {
  take(): string {
    const texts = getSharedPayloads().filter(({ shareType }) => shareType === "text" || shareType === "url");
    clearSharedPayloads();
    return texts.map(({ value }) => value).join("\n");
  },
};
