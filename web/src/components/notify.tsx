"use client";

import { useNotifying } from "@/lib/notices/use-notices";
import { t } from "@/strings";
import { Switch } from "./ui/switch";

export function NotifySwitch() {
  const { isOn, permission, change } = useNotifying();
  const hints = { granted: t.notices.hint, default: t.notices.hint, denied: t.notices.denied, unsupported: t.notices.unsupported };
  return (
    <Switch
      label={t.notices.label}
      hint={hints[permission]}
      isOn={isOn}
      isDisabled={permission === "unsupported" || permission === "denied"}
      onChange={(on) => void change(on)}
    />
  );
}

/** Offers it where it is missed: at a task that takes its time. */
export function NotifyOffer() {
  const { isOn, permission, change } = useNotifying();
  if (isOn || permission === "denied" || permission === "unsupported") return null;
  return (
    <button className="text-accent underline" type="button" onClick={() => void change(true)}>
      {t.notices.offer}
    </button>
  );
}
