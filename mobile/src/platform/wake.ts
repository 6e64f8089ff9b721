import { AppState } from "react-native";

/** Calls back when the app comes to the front: connections may have died unnoticed behind it. Also in the browser, where it is the page. */
export function onWake(look: () => void): () => void {
  const subscription = AppState.addEventListener("change", (state) => {
    if (state === "active") look();
  });
  return () => subscription.remove();
}
