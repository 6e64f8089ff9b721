import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** This close to the end counts as the end, in pixels. */
const NEAR = 48;
const SCROLL = { passive: true, capture: true };

/**
 * Keeps a scrolled element at its end while things are added, until the reader scrolls up; at the end again, it goes on. `version` changes
 * with what is drawn.
 */
export function useFollow(element: RefObject<HTMLElement | null>, version: unknown, begin = true) {
  const [isFollowing, setFollowing] = useState(begin);
  const wanted = useRef(begin);
  const top = useRef(0);

  const follow = useCallback((on: boolean) => {
    wanted.current = on;
    setFollowing(on);
  }, []);

  const toEnd = useCallback(() => {
    const { current } = element;
    if (current) current.scrollTop = current.scrollHeight;
  }, [element]);

  useLayoutEffect(() => {
    if (wanted.current) toEnd();
  }, [version, isFollowing, toEnd]);

  useEffect(() => {
    const { current } = element;
    if (!current) return;
    const onScroll = () => {
      const isUp = current.scrollTop < top.current - 1;
      const isAtEnd = current.scrollHeight - current.scrollTop - current.clientHeight < NEAR;
      top.current = current.scrollTop;
      if (isAtEnd) follow(true);
      // What is added moves the end away, and what is measured anew may move it back; only the reader moves up.
      else if (isUp) follow(false);
    };
    // Rows that turn out to be taller than they were taken for.
    const grown = new ResizeObserver(() => wanted.current && toEnd());
    // Before the list draws other rows: after that, asking where the element stands would have the browser lay it out at once.
    current.addEventListener("scroll", onScroll, SCROLL);
    for (const child of [current, ...current.children]) grown.observe(child);
    return () => {
      current.removeEventListener("scroll", onScroll, SCROLL);
      grown.disconnect();
    };
  }, [element, follow, toEnd]);

  return { isFollowing, follow };
}
