import { useSyncExternalStore } from "react";

/** The number behind `letter` in the fragment of the address, for example 17 of `#f17`. */
export function useHash(letter: string): number | null {
  const hash = useSyncExternalStore(subscribe, () => location.hash, () => "");
  const match = new RegExp(`^#${letter}(\\d+)$`).exec(hash);
  return match ? Number(match[1]) : null;
}

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}
