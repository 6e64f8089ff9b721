"use client";

import { APIError } from "@codex-remote/sdk";
import { type TaskDraft, type Variable, chosen, faultsOf, isFaulty, limitOf, taskOf } from "@codex-remote/view";
import { useRouter } from "next/navigation";
import { type SubmitEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";

import { takeDraft, useDraft } from "@/lib/draft";
import { useCreateTask, useRepositories } from "@/lib/queries";
import { changeSettings, useSettings } from "@/lib/settings";
import { t } from "@/strings";
import { Problem } from "../ui/notice";
import { EnvFields } from "./env-fields";
import { Fault } from "./fault";

export function Composer() {
  const router = useRouter();
  const settings = useSettings();
  const repositories = useRepositories();
  const create = useCreateTask();
  const [prompt, setPrompt] = useDraft();
  const [folder, setFolder] = useState("");
  const [variables, setVariables] = useState<Variable[]>([]);
  const form = useRef<HTMLFormElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);

  const known = repositories.data ?? [];
  const repository = chosen(known, settings.repository);
  const wrong = create.error instanceof APIError ? create.error.field : null;
  const draft: TaskDraft = { prompt, folder, model: settings.model, minutes: settings.minutes, variables };
  const faults = faultsOf(draft);
  const isReady = prompt.trim() !== "" && !isFaulty(faults) && !create.isPending;

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (!isReady) return;
    create.mutate(taskOf(draft, repository), {
      onSuccess: ({ task_id: id }) => {
        takeDraft();
        router.push(`/task/?id=${id}`);
      },
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit();
  };

  return (
    // The shortcut works from every field of the form; there is nothing to press on the form itself.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <form ref={form} className="card grid gap-3 p-4" onSubmit={submit} onKeyDown={onKeyDown} aria-labelledby="composer-title">
      <h1 id="composer-title" className="sr-only">
        {t.composer.title}
      </h1>
      {create.error && <Problem error={create.error} />}
      {repositories.data?.length === 0 && <p className="text-sm text-warn">{t.composer.noRepositories}</p>}
      <label>
        <span className="label">{t.composer.prompt}</span>
        <textarea
          ref={field}
          className="field block max-h-96 min-h-28 [field-sizing:content]"
          value={prompt}
          onChange={(event) => setPrompt(event.target.value)}
          placeholder={t.composer.placeholder}
          aria-invalid={wrong === "prompt" || faults.prompt !== null}
          required
        />
        <Fault text={faults.prompt} />
      </label>
      <div className="flex flex-wrap items-end gap-3">
        <label className="min-w-48 flex-1">
          <span className="label">{t.composer.repository}</span>
          <select
            className="field"
            value={repository?.path ?? ""}
            onChange={(event) => changeSettings({ repository: event.target.value })}
            aria-invalid={wrong === "cwd"}
            disabled={known.length === 0}
          >
            {known.map(({ name, path, description }) => (
              <option key={path} value={path} title={description ?? path}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button className="button button-primary" type="submit" disabled={!isReady} title={t.composer.shortcut}>
          {create.isPending ? t.composer.submitting : t.composer.submit}
        </button>
      </div>
      <details className="text-sm">
        <summary className="w-fit text-soft">{t.composer.options}</summary>
        <div className="mt-3 grid gap-3 sm:grid-cols-3">
          <label>
            <span className="label">{t.composer.folder}</span>
            <input className="field" value={folder} onChange={(event) => setFolder(event.target.value)} placeholder={t.composer.folderHint} aria-invalid={wrong === "cwd"} />
          </label>
          <label>
            <span className="label">{t.composer.model}</span>
            <input
              className="field"
              value={settings.model}
              onChange={(event) => changeSettings({ model: event.target.value })}
              placeholder={repository?.model ?? t.composer.modelHint}
              aria-invalid={wrong === "model" || faults.model !== null}
              autoComplete="off"
            />
            <Fault text={faults.model} />
          </label>
          <label>
            <span className="label">{t.composer.minutes}</span>
            <input
              className="field"
              type="number"
              min={1}
              max={1440}
              value={settings.minutes}
              onChange={(event) => changeSettings({ minutes: event.target.value })}
              placeholder={t.composer.minutesHint(limitOf(repository))}
              aria-invalid={wrong === "timeout_seconds" || faults.minutes !== null}
            />
            <Fault text={faults.minutes} />
          </label>
          <EnvFields variables={variables} onChange={setVariables} faults={faults.env} isInvalid={wrong === "env"} />
        </div>
      </details>
    </form>
  );
}
