/** `75` becomes `1 min 15 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const number = new Intl.NumberFormat("en");
export const count = (value: number): string => number.format(value);

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
export const short = (value: number): string => compact.format(value);

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** How long ago something was, in the largest unit that fits. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  if (Math.abs(seconds) < 5) return relative.format(0, "second");
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

const full = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
export const moment = (time: string): string => full.format(new Date(time));

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
export const clockTime = (time: string): string => (time ? clock.format(new Date(time)) : "");

export const firstLine = (text: string): string => text.trimStart().split("\n", 1)[0] ?? "";
