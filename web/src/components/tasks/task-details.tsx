"use client";

import type { Task } from "@codex-remote/sdk";
import { taskFacts } from "@codex-remote/view";

import { t } from "@/strings";
import { CopyButton } from "../ui/copy-button";

export function TaskDetails({ task }: { task: Task }) {
  const facts = taskFacts(task);
  return (
    <div className="grid gap-6 py-4 lg:grid-cols-2">
      <section aria-labelledby="prompt-title">
        <div className="mb-2 flex items-center justify-between">
          <h2 id="prompt-title" className="font-semibold">
            {t.task.prompt}
          </h2>
          <CopyButton text={() => task.prompt} />
        </div>
        <pre className="card max-h-96 overflow-auto p-3 text-sm whitespace-pre-wrap" tabIndex={0}>
          {task.prompt}
        </pre>
      </section>
      <dl className="grid h-fit grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 text-sm">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name} className="contents">
                <dt className="text-soft">{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </div>
  );
}
