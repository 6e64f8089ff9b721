import { ago, moment } from "@codex-remote/view";

import { t } from "@/strings";

/** Says that what is shown is not what the gateway would say now. */
export function SavedCopy({ at }: { at: number }) {
  const time = new Date(at).toISOString();
  return (
    <p role="status" className="rounded-md bg-warn-ground px-3 py-2 text-sm text-warn" data-saved="true">
      {t.offline.saved} <time dateTime={time} title={moment(time)}>{ago(time)}</time>. {t.offline.savedText}
    </p>
  );
}
