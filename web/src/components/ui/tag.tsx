import clsx from "clsx";
import type { ReactNode } from "react";

const tones = { plain: "bg-sunken text-soft", busy: "bg-busy-ground text-busy", warn: "bg-warn-ground text-warn", bad: "bg-bad-ground text-bad" };

/** A word about something in a list. */
export function Tag({ tone = "plain", children }: { tone?: keyof typeof tones; children: ReactNode }) {
  return <span className={clsx("inline-flex rounded-full px-2.5 py-0.5 text-xs font-semibold whitespace-nowrap", tones[tone])}>{children}</span>;
}
