import * as WebBrowser from "expo-web-browser";
import { Platform } from "react-native";

/** Where the gateway sends the browser back to. It has to be in `CODEX_OIDC_RETURN_TO`. */
export const returnAddress: (server: string) => string = () => "codex://signed-in";

/**
 * Opens the system's browser over the app until it comes to `returnTo`; answers with the address that it came with, or `null` when it was left. What
 * comes back after that is a link of the system here; `late` is for browsers.
 */
export const openWindow: (address: string, returnTo: string, late: (url: string) => void) => Promise<string | null> = async (address, returnTo) => {
  // One that was left open, for example after a sign-out, would be in the way. Android has one at a time by itself, and cannot be told.
  if (Platform.OS === "ios") WebBrowser.dismissAuthSession();
  const result = await WebBrowser.openAuthSessionAsync(address, returnTo);
  return result.type === "success" ? result.url : null;
};

/** Only pages have windows that came from another one. */
export const handOver: (url: string) => Promise<boolean> = () => Promise.resolve(false);
