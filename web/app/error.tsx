"use client";

import { Notice } from "@/components/ui/notice";
import { t } from "@/strings";

export default function Failure({ error, reset }: { error: Error; reset: () => void }) {
  return (
    <Notice title={t.problem.crashed} text={error.message} tone="bad">
      <button className="button" type="button" onClick={reset}>
        {t.retry}
      </button>
    </Notice>
  );
}
