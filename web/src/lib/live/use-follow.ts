import { Follow } from "@codex-remote/view";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useState } from "react";

const SCROLL = { passive: true, capture: true };

/**
 * Keeps a scrolled element at its end while things are added, until the reader scrolls up; at the end again, it goes on. `version` changes
 * with what is drawn.
 */
export function useFollow(element: RefObject<HTMLElement | null>, version: unknown, begin = true) {
  const [isFollowing, setFollowing] = useState(begin);
  const [state] = useState(() => new Follow(begin));

  const follow = useCallback(
    (on: boolean) => {
      state.isFollowing = on;
      setFollowing(on);
    },
    [state],
  );

  const toEnd = useCallback(() => {
    const { current } = element;
    if (current) current.scrollTop = current.scrollHeight;
  }, [element]);

  useLayoutEffect(() => {
    if (state.isFollowing) toEnd();
  }, [state, version, isFollowing, toEnd]);

  useEffect(() => {
    const { current } = element;
    if (!current) return;
    const onScroll = () => setFollowing(state.moved({ top: current.scrollTop, height: current.scrollHeight, visible: current.clientHeight }));
    // Rows that turn out to be taller than they were taken for.
    const grown = new ResizeObserver(() => state.isFollowing && toEnd());
    // Before the list draws other rows: after that, asking where the element stands would have the browser lay it out at once.
    current.addEventListener("scroll", onScroll, SCROLL);
    for (const child of [current, ...current.children]) grown.observe(child);
    return () => {
      current.removeEventListener("scroll", onScroll, SCROLL);
      grown.disconnect();
    };
  }, [element, state, toEnd]);

  return { isFollowing, follow };
}
