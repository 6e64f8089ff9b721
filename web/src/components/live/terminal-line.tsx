import type { Line, LineKind } from "@codex-remote/view";
import clsx from "clsx";
import { type Ref, memo } from "react";

import { t } from "@/strings";
import { AnsiLine } from "./ansi-line";

const tones: Record<LineKind, string> = {
  out: "",
  err: "text-soft",
  command: "font-semibold text-busy",
  message: "text-text",
  note: "text-soft italic",
  bad: "text-bad",
};

interface Props {
  ref?: Ref<HTMLDivElement> | undefined;
  index: number;
  /** Counted from 1 over the whole log. */
  number: number;
  line: Line;
  top: number;
  isWrapped: boolean;
  mark: string;
  isMarked: boolean;
}

export const TerminalLine = memo(function TerminalLine({ ref, index, number, line, top, isWrapped, mark, isMarked }: Props) {
  return (
    <div ref={ref} data-index={index} className={clsx("absolute top-0 left-0 flex", isWrapped ? "w-full" : "min-w-full", isMarked && "bg-busy-ground")} style={{ transform: `translateY(${top}px)` }}>
      <a
        className="sticky left-0 w-(--gutter) shrink-0 bg-raised pr-[1.5ch] text-right text-soft select-none hover:underline"
        href={`#L${number}`}
        aria-label={t.log.line(number)}
        onClick={() => history.replaceState(null, "", `${location.search}#L${number}`)}
        tabIndex={-1}
      >
        {number}
      </a>
      <span className={clsx("flex-1 pr-4", isWrapped ? "break-all whitespace-pre-wrap" : "whitespace-pre", tones[line.kind])}>
        <AnsiLine text={line.text} mark={mark} />
      </span>
    </div>
  );
});
