import type { ReactNode } from "react";
import { SafeAreaInsetsContext, useSafeAreaInsets } from "react-native-safe-area-context";

/** Something that stands beside something else: what notches, rounded corners and bars take from that side of the device is none of its business. */
export function Beside({ inner, children }: { inner: "left" | "right" | null; children: ReactNode }) {
  const insets = useSafeAreaInsets();
  return <SafeAreaInsetsContext value={inner ? { ...insets, [inner]: 0 } : insets}>{children}</SafeAreaInsetsContext>;
}
