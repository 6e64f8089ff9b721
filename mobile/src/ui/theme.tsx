import { type ReactNode, createContext, useContext, useMemo } from "react";
import { useColorScheme, useWindowDimensions } from "react-native";

import { useSettings } from "@/settings/settings";

/** The colours of the web client: every pair of text and ground that is used has a contrast of 4.5 or more. */
const light = {
  ground: "#ffffff",
  raised: "#f6f7f9",
  sunken: "#eceff3",
  line: "#d4d9e1",
  /** Around fields and switches, which must be seen without their text. */
  edge: "#7b8494",
  text: "#14181f",
  soft: "#515a69",
  accent: "#2f4fd0",
  accentText: "#ffffff",
  good: "#17693a",
  bad: "#b3261e",
  warn: "#8a4b00",
  busy: "#2f4fd0",
  goodGround: "#e2f3e8",
  badGround: "#fdebe9",
  warnGround: "#fdf0dd",
  busyGround: "#e7ecfd",
  added: "#e3f5e8",
  removed: "#fde8e6",
  mark: "#ffe58a",
  shade: "rgba(20, 24, 31, 0.5)",
};

export type Palette = typeof light;

const dark: Palette = {
  ground: "#0e1116",
  raised: "#161b22",
  sunken: "#1e242d",
  line: "#343c48",
  edge: "#768192",
  text: "#e8ebf0",
  soft: "#a3adbc",
  accent: "#8aa4ff",
  accentText: "#0b1020",
  good: "#6fd394",
  bad: "#ff9a92",
  warn: "#f0b567",
  busy: "#9db2ff",
  goodGround: "#12301d",
  badGround: "#3b1715",
  warnGround: "#35250d",
  busyGround: "#1b2447",
  added: "#12301d",
  removed: "#3b1715",
  mark: "#6b5410",
  shade: "rgba(0, 0, 0, 0.6)",
};

export const palettes = { light, dark };

export interface Theme {
  colors: Palette;
  isDark: boolean;
}

const Context = createContext<Theme>({ colors: light, isDark: false });

export function AppTheme({ children }: { children: ReactNode }) {
  const { theme } = useSettings();
  const system = useColorScheme();
  const isDark = theme === "system" ? system === "dark" : theme === "dark";
  const value = useMemo(() => ({ colors: isDark ? dark : light, isDark }), [isDark]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

export const useTheme = (): Theme => useContext(Context);
export const useColors = (): Palette => useContext(Context).colors;

/** Distances, in points. */
export const space = { xs: 4, s: 8, m: 12, l: 16, xl: 24 } as const;
/** What a finger hits for sure, in points. */
export const TOUCH = 48;
/** From this width on, in points, the list stands beside what it leads to: tablets, upright ones as well. */
export const WIDE = 768;
/** Below this height, in points and for letters of the usual size, every line counts: phones on their side, and very large letters. */
export const LOW = 500;
/** Longer lines are hard to read; in points. */
export const MEASURE = 720;

export function useIsWide(): boolean {
  const { width, height } = useWindowDimensions();
  return width >= WIDE && height >= LOW;
}

export function useIsShort(): boolean {
  const { height, fontScale } = useWindowDimensions();
  return height / fontScale < LOW;
}
