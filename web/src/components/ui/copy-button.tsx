"use client";

import { useEffect, useState } from "react";

import { t } from "@/strings";

/** Copies a text that is made when it is asked for. */
export function CopyButton({ text, label = t.copy, className = "button" }: { text: () => string; label?: string; className?: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async () => {
    await writeText(text());
    setCopied(true);
  };
  return (
    <button className={className} type="button" onClick={() => void copy()}>
      <span aria-live="polite">{isCopied ? t.copied : label}</span>
    </button>
  );
}

/** Pages that did not come over HTTPS have no clipboard interface, but may still copy what is selected. */
async function writeText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "fixed top-0 opacity-0";
  document.body.append(area);
  area.select();
  // There is nothing else where there is no clipboard.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  document.execCommand("copy");
  area.remove();
}
