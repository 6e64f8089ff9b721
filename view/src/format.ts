/** `75` becomes `1 min 15 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const number = new Intl.NumberFormat("en");
export const count = (value: number): string => number.format(value);

const STEPS: [number, string][] = [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]];

/** `12345` becomes `12.3K`. */
export function short(value: number): string {
  const tenths = (part: number) => String(Math.round(part * 10) / 10);
  // What is rounded up to a thousand of one step is one of the next.
  const [least, name] = STEPS.find(([least]) => Math.round((value / least) * 10_000) >= 10_000) ?? [1, ""];
  return `${tenths(value / least)}${name}`;
}

const SIZES = ["bytes", "KB", "MB", "GB"];

/** Bytes for people, in steps of 1,000. */
export function size(bytes: number): string {
  const step = bytes < 1_000 ? 0 : Math.min(SIZES.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** step;
  return `${step > 0 && value < 10 ? value.toFixed(1) : count(Math.round(value))} ${SIZES[step] ?? ""}`;
}

const UNITS: { name: string; seconds: number; last?: string; next?: string }[] = [
  { name: "day", seconds: 86_400, last: "yesterday", next: "tomorrow" },
  { name: "hr.", seconds: 3_600 },
  { name: "min.", seconds: 60 },
  { name: "sec.", seconds: 1 },
];

/** How long ago something was, in the largest unit that fits. Written out, because Hermes has no `Intl.RelativeTimeFormat`. */
export function ago(time: string, now = Date.now()): string {
  const seconds = Math.round((now - Date.parse(time)) / 1000);
  if (!(Math.abs(seconds) >= 5)) return "now";
  const unit = UNITS.find(({ seconds: length }) => Math.abs(seconds) >= length);
  if (!unit) return "now";
  const many = Math.trunc(Math.abs(seconds) / unit.seconds);
  const isPast = seconds > 0;
  const word = isPast ? unit.last : unit.next;
  if (many === 1 && word) return word;
  const length = `${many} ${unit.name}${unit.name === "day" && many > 1 ? "s" : ""}`;
  return isPast ? `${length} ago` : `in ${length}`;
}

const full = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
export const moment = (time: string): string => full.format(new Date(time));

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
export const clockTime = (time: string): string => (time ? clock.format(new Date(time)) : "");

export const firstLine = (text: string): string => text.trimStart().split("\n", 1)[0] ?? "";
