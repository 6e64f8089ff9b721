import { useEffect, useRef } from "react";

import { readSettings } from "./settings";

/** What keys do: `j`, or `g t` for one after the other. */
export type Shortcuts = Record<string, () => void>;

/** How long a first key waits for the second one, in milliseconds. */
const PATIENCE = 1_500;

/** All that are there now; what was added last comes first. */
const active: { current: Shortcuts }[] = [];
let first: { key: string; until: number } | null = null;

/** Has keys do something while the component is there. They do nothing where somebody writes, in dialogs, and when the user has turned them off. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const own = useRef(shortcuts);
  useEffect(() => {
    own.current = shortcuts;
  });
  useEffect(() => {
    if (active.length === 0) addEventListener("keydown", onKeyDown);
    active.push(own);
    return () => {
      active.splice(active.indexOf(own), 1);
      if (active.length === 0) removeEventListener("keydown", onKeyDown);
    };
  }, []);
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (!readSettings().shortcuts || isDialogOpen()) return;
  const { target } = event;
  if (isField(target)) {
    // A field that has nothing to clear is left, so that the other keys are within reach.
    if (event.key === "Escape" && (target instanceof HTMLTextAreaElement || !(target as HTMLInputElement).value)) target.blur();
    return;
  }
  const waiting = first && performance.now() < first.until ? `${first.key} ` : "";
  first = null;
  const keys = waiting + event.key;
  const found = active.findLast(({ current }) => keys in current);
  if (found) {
    event.preventDefault();
    found.current[keys]?.();
  } else if (active.some(({ current }) => Object.keys(current).some((known) => known.startsWith(`${keys} `)))) {
    first = { key: keys, until: performance.now() + PATIENCE };
  }
}

const isDialogOpen = (): boolean => document.querySelector('[role="dialog"], [role="alertdialog"]') !== null;

/** Where keys write. */
const isField = (target: EventTarget | null): target is HTMLElement =>
  target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");

/** Goes to the search of the page. */
export function focusSearch(): void {
  document.querySelector<HTMLInputElement>("main input[type=search]")?.focus();
}
