"use client";

import { useState } from "react";

import { t } from "@/strings";
import { AnsiLine } from "./ansi-line";

/** Lines that are shown before somebody asks for more, from the end: there stands how it ended. */
const FEW = 8;
/** More than this belongs into the terminal, which draws only what is in sight. */
const MANY = 400;

export function OutputLines({ lines }: { lines: string[] }) {
  const [isOpen, setOpen] = useState(false);
  const most = isOpen ? MANY : FEW;
  const shown = lines.slice(-most);
  return (
    <div className="grid gap-1">
      {lines.length > FEW && (
        <button className="w-fit text-xs text-accent underline" type="button" onClick={() => setOpen(!isOpen)} aria-expanded={isOpen}>
          {isOpen ? t.log.showLess : t.log.showAll(Math.min(lines.length, MANY))}
        </button>
      )}
      <pre className="overflow-x-auto rounded bg-sunken px-2 py-1 font-mono text-xs leading-5" tabIndex={0}>
        {shown.map((line, index) => (
          <div key={lines.length - shown.length + index}>
            <AnsiLine text={line} />
          </div>
        ))}
      </pre>
    </div>
  );
}
