import { t } from "@/strings";

/** A list that is on its way. */
export function Skeleton({ rows = 5 }: { rows?: number }) {
  return (
    <div className="card divide-y divide-line" role="status">
      <span className="sr-only">{t.loading}</span>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="breathing grid gap-2 px-4 py-3">
          <div className="h-4 w-2/3 rounded bg-sunken" />
          <div className="h-3 w-1/3 rounded bg-sunken" />
        </div>
      ))}
    </div>
  );
}
