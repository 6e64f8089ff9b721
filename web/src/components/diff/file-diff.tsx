"use client";

import { type Change, type PatchFile, type PatchHunk, count, modeOf } from "@codex-remote/view";
import clsx from "clsx";
import { useState } from "react";

import { t } from "@/strings";
import { Counts } from "./changes-panel";
import { type Highlighted, useHighlight } from "./use-highlight";

/** Files with more changed lines than this are shown when somebody asks for them. */
const LARGE = 1_500;

export function FileDiff({ file, anchor }: { file: PatchFile; anchor: string }) {
  const lines = file.hunks.reduce((sum, hunk) => sum + hunk.changes.length, 0);
  const [isShown, setShown] = useState(lines <= LARGE);
  const mode = modeOf(file);
  return (
    <section id={anchor} className="card scroll-mt-2 overflow-hidden" aria-label={file.path}>
      <header className="flex items-center gap-3 border-b border-line px-3 py-2 text-sm">
        <h3 className="min-w-0 flex-1 font-mono break-all">
          {file.oldPath && <span className="text-soft">{file.oldPath} → </span>}
          {file.path}
        </h3>
        <span className="text-xs text-soft">{t.diff.kinds[file.kind]}</span>
        {mode && <span className="text-xs text-warn">{mode}</span>}
        <Counts added={file.added} removed={file.removed} />
      </header>
      {file.isBinary && <p className="px-3 py-2 text-sm text-soft">{t.diff.binary}</p>}
      {!file.isBinary && lines === 0 && <p className="px-3 py-2 text-sm text-soft">{t.diff.empty}</p>}
      {!isShown && (
        <p className="flex items-center gap-3 px-3 py-2 text-sm text-soft">
          {t.diff.large(count(lines))}
          <button className="button" type="button" onClick={() => setShown(true)}>
            {t.diff.show}
          </button>
        </p>
      )}
      {isShown && lines > 0 && (
        <div className="overflow-x-auto" tabIndex={0} role="group" aria-label={file.path}>
          <table className="w-full border-collapse font-mono text-xs leading-5">
            {file.hunks.map((hunk, index) => (
              <Hunk key={index} hunk={hunk} path={file.path} />
            ))}
          </table>
        </div>
      )}
    </section>
  );
}

function Hunk({ hunk, path }: { hunk: PatchHunk; path: string }) {
  const highlighted = useHighlight(hunk, path);
  return (
    <tbody>
      <tr className="bg-busy-ground text-soft">
        <td colSpan={3} className="px-3 whitespace-pre">
          {hunk.header}
        </td>
      </tr>
      {hunk.changes.map((change, index) => (
        <ChangedLine key={index} change={change} code={highlighted?.[index]} />
      ))}
    </tbody>
  );
}

const signs = { insert: "+", delete: "−", normal: " " } as const;

function ChangedLine({ change, code }: { change: Change; code: Highlighted | undefined }) {
  return (
    <tr className={clsx(change.type === "insert" && "bg-added", change.type === "delete" && "bg-removed")} data-change={change.type}>
      <td className="w-10 px-2 text-right text-soft select-none">{change.before}</td>
      <td className="w-10 px-2 text-right text-soft select-none">{change.after}</td>
      <td className="pr-3 whitespace-pre">
        <span aria-hidden className="inline-block w-4 text-soft select-none">
          {signs[change.type]}
        </span>
        {code ?? change.content}
        {change.isUnended && <span className="ml-2 text-soft select-none">⌁ {t.diff.noNewline}</span>}
      </td>
    </tr>
  );
}
