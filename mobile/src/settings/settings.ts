import { kept, over } from "@/kept";

export type Theme = "system" | "light" | "dark";

/** What this device remembers of its user's choices, whatever the server. */
export interface Settings {
  theme: Theme;
  /** Whether to tell when a task ends that was started or opened here. */
  notify: boolean;
  /** Whether the app asks for a fingerprint or face when it comes back. */
  lock: boolean;
}

export const defaults: Settings = { theme: "system", notify: false, lock: false };

const themes: Theme[] = ["system", "light", "dark"];

const settings = kept<Settings>("settings", (stored) => {
  const read = over(defaults, stored);
  return themes.includes(read.theme) ? read : { ...read, theme: "system" };
});

export const readSettings = settings.get;
export const useSettings = settings.use;
export const changeSettings = (change: Partial<Settings>): void => settings.set({ ...settings.get(), ...change });
