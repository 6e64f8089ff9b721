"use client";

import { type PatchFile, applyCommand, count, parsePatch } from "@codex-remote/view";
import { useMemo } from "react";

import { download } from "@/lib/download";
import { usePatch } from "@/lib/queries";
import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";
import { Notice, Problem } from "../ui/notice";
import { FileDiff } from "./file-diff";

export function ChangesPanel({ id, isFinal }: { id: string; isFinal: boolean }) {
  const query = usePatch(id, isFinal);
  const text = query.data?.patch;
  const files = useMemo(() => (text ? parsePatch(text) : []), [text]);
  if (!isFinal) return <Notice title={t.diff.notYet} text={t.diff.notYetText} />;
  if (query.isPending) return <p className="p-4 text-soft" role="status">{t.diff.loading}</p>;
  if (query.error) {
    return (
      <div className="py-4">
        <Problem title={t.diff.failed} error={query.error} onRetry={() => void query.refetch()} />
      </div>
    );
  }
  if (!query.data) return <Notice title={t.diff.none} text={t.diff.noneText} />;
  const { patch, truncated } = query.data;
  return (
    <div className="grid gap-4 py-4">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        <p className="mr-auto">
          {t.diff.summary(files.length)} <Counts added={sum(files, "added")} removed={sum(files, "removed")} />
        </p>
        <CopyButton text={() => applyCommand(patch)} label={t.diff.copyApply} />
        <CopyButton text={() => patch} label={t.diff.copyPatch} />
        <button className="button" type="button" onClick={() => download(patch, `${id}.patch`, "text/x-diff")}>
          {t.diff.download}
        </button>
      </div>
      {truncated && <p className="rounded-md bg-warn-ground px-3 py-2 text-sm text-warn">{t.diff.truncated}</p>}
      <div className="grid items-start gap-4 lg:grid-cols-[16rem_minmax(0,1fr)]">
        <FileList files={files} />
        <div className="grid min-w-0 gap-4">
          {files.map((file, index) => (
            <FileDiff key={file.path} file={file} anchor={`file-${index}`} />
          ))}
        </div>
      </div>
    </div>
  );
}

/** The files by folder, in the order of the patch. */
function FileList({ files }: { files: PatchFile[] }) {
  return (
    <nav className="card top-2 p-2 text-sm lg:sticky" aria-label={t.diff.files}>
      <ul>
        {files.map((file, index) => {
          const slash = file.path.lastIndexOf("/") + 1;
          const folder = file.path.slice(0, slash);
          const isNew = index === 0 || !sameFolder(files[index - 1]?.path ?? "", folder);
          return (
            <li key={file.path}>
              {folder && isNew && <p className="truncate px-2 pt-1 font-mono text-xs text-soft">{folder}</p>}
              <a className="flex items-center gap-2 rounded px-2 py-1 hover:bg-sunken" href={`#file-${index}`} title={file.path}>
                <span className="min-w-0 flex-1 truncate font-mono">{file.path.slice(slash)}</span>
                <Counts added={file.added} removed={file.removed} />
              </a>
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

const sameFolder = (path: string, folder: string) => path.slice(0, path.lastIndexOf("/") + 1) === folder;

export function Counts({ added, removed }: { added: number; removed: number }) {
  return (
    <span className="font-mono text-xs whitespace-nowrap">
      <span className="text-good" title={t.diff.added(added)}>
        +{count(added)}
      </span>{" "}
      <span className="text-bad" title={t.diff.removed(removed)}>
        −{count(removed)}
      </span>
    </span>
  );
}

const sum = (files: PatchFile[], what: "added" | "removed") => files.reduce((total, file) => total + file[what], 0);
