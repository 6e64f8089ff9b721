import { type App, expect } from "./app.js";
import { takePicture } from "./pictures.js";

/** How a screen is looked at. */
export const looks = [
  { name: "light", width: 1280, height: 800, scheme: "light" },
  { name: "dark", width: 1280, height: 800, scheme: "dark" },
  { name: "phone", width: 360, height: 740, scheme: "light" },
  { name: "phone-dark", width: 360, height: 740, scheme: "dark" },
] as const;

/** Takes a picture of a screen, and fails when axe finds something or the screen is too narrow. With `part` axe looks at that only. */
export function looker(app: App, look: string): (screen: string, part?: string) => Promise<void> {
  return async (screen, part) => {
    // Three of a kind are enough to look at.
    if (look !== "phone-dark") await takePicture(app.page, `${screen}-${look}`);
    expect(await app.violations(part), screen).toEqual([]);
    const wide = await app.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wide, `${screen} is wider than the screen`).toBeLessThanOrEqual(0);
  };
}
