import { useEffect, useState } from "react";
import { AppState } from "react-native";

/** The time, read again every so many milliseconds while the app is in front; never where that is `null`. */
export function useNow(every: number | null = 10_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (every === null) return;
    setNow(Date.now());
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
