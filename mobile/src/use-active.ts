import { useSyncExternalStore } from "react";
import { AppState } from "react-native";

function subscribe(listener: () => void): () => void {
  const subscription = AppState.addEventListener("change", listener);
  return () => subscription.remove();
}

const isActive = () => AppState.currentState === "active";

/** Whether somebody can see the app. */
export const useActive = (): boolean => useSyncExternalStore(subscribe, isActive, () => true);
