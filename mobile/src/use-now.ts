import { useEffect, useState } from "react";
import { AppState } from "react-native";

/** The time, read again now and then while the app is in front. */
export function useNow(every = 10_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const look = () => {
      if (AppState.currentState === "active") setNow(Date.now());
    };
    const timer = setInterval(look, every);
    const subscription = AppState.addEventListener("change", look);
    return () => {
      clearInterval(timer);
      subscription.remove();
    };
  }, [every]);
  return now;
}
