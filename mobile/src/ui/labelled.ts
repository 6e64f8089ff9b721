import { Platform } from "react-native";

/** The name of a control for screen readers. React Native's own controls know `aria-label` in a page only, unlike its views. */
export const labelled = (label: string): { "aria-label": string } | { accessibilityLabel: string } => (Platform.OS === "web" ? { "aria-label": label } : { accessibilityLabel: label });
