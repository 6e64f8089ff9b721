"use client";

import { type Row, clockTime, isProblem, plainMessage, rowName, textOf } from "@codex-remote/view";
import clsx from "clsx";
import { type ReactNode, memo } from "react";

import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";
import { Item } from "./items";
import { OutputLines } from "./output-lines";

/** One row; drawn again only when the row is another one. */
export const TimelineRow = memo(function TimelineRow({ row, isMarked }: { row: Row; isMarked: boolean }) {
  return (
    <article id={`f${row.id}`} className={clsx("card px-3 py-2", isProblem(row) && "border-bad", isMarked && "outline-2 outline-accent")} data-kind={row.kind === "item" ? row.item.type : row.kind}>
      <header className="mb-1 flex items-center gap-2 text-xs text-soft">
        <h3 className={clsx("font-semibold", isProblem(row) && "text-bad")}>{rowName(row)}</h3>
        {row.kind === "item" && row.isOpen && <span className="breathing text-busy">{t.log.running}</span>}
        <CopyButton text={() => textOf(row)} className="ml-auto rounded px-1 hover:bg-sunken hover:text-text" />
        <a className="font-mono hover:underline" href={`#f${row.id}`} title={t.log.link}>
          #{row.id}
        </a>
        <time className="font-mono" dateTime={row.ts}>
          {clockTime(row.ts)}
        </time>
      </header>
      {bodyOf(row)}
    </article>
  );
});

function bodyOf(row: Row): ReactNode {
  switch (row.kind) {
    case "item":
      return <Item item={row.item} />;
    case "output":
      return <OutputLines lines={row.lines.map((line) => line.text)} />;
    case "error":
      return <p className="text-sm whitespace-pre-wrap">{plainMessage(row.message)}</p>;
    case "note":
      return <p className="text-sm whitespace-pre-wrap">{row.text}</p>;
    case "gap":
      return null;
  }
}
