"use client";

/** What is wrong with a field, below it. A field that names `id` in its `aria-describedby` is read out with it. */
export function Fault({ text, id }: { text: string | null | undefined; id?: string }) {
  return text ? (
    <span id={id} className="mt-1 block text-bad" role="alert">
      {text}
    </span>
  ) : null;
}
