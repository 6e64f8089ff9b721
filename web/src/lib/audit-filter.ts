import type { AuditFilter } from "@codex-remote/sdk";

/** The filter as it stands in the form and in the address. Times are those of the reader's clock, as `<input type="datetime-local">` has them. */
export interface AuditForm {
  actor: string;
  action: string;
  target: string;
  credential: string;
  from: string;
  to: string;
}

export const emptyForm: AuditForm = { actor: "", action: "", target: "", credential: "", from: "", to: "" };

/** What the gateway takes. */
export function filterOf(form: AuditForm): AuditFilter {
  return {
    actor: form.actor.trim() || undefined,
    action: form.action || undefined,
    target: form.target.trim() || undefined,
    credential: form.credential.trim() || undefined,
    from: instant(form.from),
    to: instant(form.to),
  };
}

/** From the query of the address, so that a filter can be linked to. */
export function formOf(query: Pick<URLSearchParams, "get">): AuditForm {
  const text = (name: keyof AuditForm) => query.get(name) ?? "";
  return { actor: text("actor"), action: text("action"), target: text("target"), credential: text("credential"), from: text("from"), to: text("to") };
}

export function searchOf(form: AuditForm): string {
  const query = new URLSearchParams(Object.entries(form).filter(([, value]) => value !== ""));
  return query.size > 0 ? `?${query.toString()}` : "";
}

function instant(local: string): string | undefined {
  const time = Date.parse(local);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
