"use client";

import { useEffect, useEffectEvent, useRef } from "react";

import { t } from "@/strings";

/** Loads more when it comes into sight. */
export function More({ onSeen }: { onSeen: () => void }) {
  const mark = useRef<HTMLButtonElement>(null);
  const seen = useEffectEvent(onSeen);
  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) seen();
      },
      { rootMargin: "400px" },
    );
    if (mark.current) observer.observe(mark.current);
    return () => observer.disconnect();
  }, []);
  return (
    <button ref={mark} className="button button-quiet mx-auto mt-3 flex" type="button" onClick={onSeen}>
      {t.list.more}
    </button>
  );
}
