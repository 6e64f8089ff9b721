const number = new Intl.NumberFormat("en");
export const count = (value: number): string => number.format(value);

const UNITS: [name: string, seconds: number][] = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];

/** How long ago something was, in the largest unit that fits. Hermes has no `Intl.RelativeTimeFormat`. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 5) return "now";
  const [name, length] = UNITS.find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${Math.trunc(seconds / length)} ${name} ago`;
}

export const firstLine = (text: string): string => text.trimStart().split("\n", 1)[0] ?? "";
