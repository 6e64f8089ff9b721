import { focusManager, onlineManager } from "@tanstack/react-query";

import { attention, onAttention } from "./attention";

/** Nothing is asked of the gateway while nobody looks, and what has grown old is asked again when somebody does. Answers with how to stop that. */
export function wireQueries(): () => void {
  const tell = () => {
    const { isShown, isOnline } = attention();
    focusManager.setFocused(isShown);
    onlineManager.setOnline(isOnline);
  };
  const stop = onAttention(tell);
  tell();
  return stop;
}
