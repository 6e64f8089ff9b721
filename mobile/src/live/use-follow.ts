import { Follow } from "@codex-remote/view";
import { type RefObject, useCallback, useState } from "react";
import type { NativeScrollEvent, NativeSyntheticEvent } from "react-native";

/** What is needed of a list. */
export interface Scroller {
  scrollToEnd(options: { animated: boolean }): unknown;
}

/** Keeps a list at its end while things are added, until the reader scrolls up; at the end again, it goes on. The answer's functions belong to the list. */
export function useFollow(list: RefObject<Scroller | null>, begin: boolean) {
  const [state] = useState(() => new Follow(begin));
  const [isFollowing, setFollowing] = useState(begin);
  const toEnd = useCallback(() => {
    if (state.isFollowing) list.current?.scrollToEnd({ animated: false });
  }, [state, list]);
  const follow = useCallback(
    (on: boolean) => {
      state.isFollowing = on;
      setFollowing(on);
      toEnd();
    },
    [state, toEnd],
  );
  const onScroll = useCallback(
    ({ nativeEvent: { contentOffset, contentSize, layoutMeasurement } }: NativeSyntheticEvent<NativeScrollEvent>) =>
      setFollowing(state.moved({ top: contentOffset.y, height: contentSize.height, visible: layoutMeasurement.height })),
    [state],
  );
  // Also when rows turn out to be taller than they were taken for, and when the device is turned.
  return { isFollowing, follow, handlers: { onScroll, onContentSizeChange: toEnd, onLayout: toEnd, scrollEventThrottle: 16 } };
}
