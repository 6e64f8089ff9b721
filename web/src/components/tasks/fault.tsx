"use client";

/** What is wrong with a field, below it. */
export function Fault({ text }: { text: string | null | undefined }) {
  return text ? (
    <span className="mt-1 block text-bad" role="alert">
      {text}
    </span>
  ) : null;
}
