import { useNavigationContainerRef } from "expo-router";
import { useEffect, useState } from "react";

/**
 * Whether the router takes orders. A screen that the app was started with is drawn before the router is ready, and going elsewhere from there
 * would end in an error.
 */
export function useRouterReady(): boolean {
  const container = useNavigationContainerRef();
  const [isReady, setReady] = useState(() => container.isReady());
  useEffect(() => {
    const look = () => setReady(container.isReady());
    look();
    return container.addListener("ready", look);
  }, [container]);
  return isReady;
}
