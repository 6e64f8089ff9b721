import { useState } from "react";

const KEY = "codex-remote.draft";

/** The prompt that is being written. It outlives a reload of the tab, and nothing else. */
export function useDraft(): [string, (text: string) => void] {
  const [text, setText] = useState(() => sessionStorage.getItem(KEY) ?? "");
  const change = (next: string) => {
    setText(next);
    writeDraft(next);
  };
  return [text, change];
}

export function writeDraft(text: string): void {
  sessionStorage.setItem(KEY, text);
}

/** The draft has become a task. */
export const takeDraft = forgetDraft;

export function forgetDraft(): void {
  sessionStorage.removeItem(KEY);
}
