import { FlashList, type FlashListRef } from "@shopify/flash-list";
import { type Line, type LiveView, count } from "@codex-remote/view";
import { useCallback, useMemo, useRef, useState } from "react";
import { ScrollView, StyleSheet, View, useWindowDimensions } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Problem, Warning } from "@/ui/notice";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { ActionButton, CopyButton } from "./action-button";
import { SearchBar } from "./search-bar";
import { type Block, TerminalBlock, blockOf, blocksOfLines } from "./terminal-block";
import { useFollow } from "./use-follow";
import { nextProblem, usePausable, useSearch } from "./use-terminal";

/** How wide a character of the terminal is at most, for each point of its height. */
const WIDTH = 8.5;
/** Longer lines than this can be read wrapped only. In characters. */
const LONGEST = 2_000;

export function TerminalPanel({ live, onShareLog }: { live: LiveView; onShareLog: () => Promise<void> }) {
  const colors = useColors();
  const list = useRef<FlashListRef<Block>>(null);
  const [isWrapped, setWrapped] = useState(true);
  const [problem, setProblem] = useState(-1);
  const [failure, setFailure] = useState<unknown>(null);
  const { shown, dropped, isPaused, waiting, pause } = usePausable(live);
  const { isFollowing, follow, handlers } = useFollow(list, live.done === null);
  const go = (number: number) => {
    follow(false);
    // The list may have let the line go meanwhile.
    void list.current?.scrollToIndex({ index: Math.max(0, blockOf(number, dropped)), animated: false, viewPosition: 0.5 });
  };
  const search = useSearch(live.terminal.lines, dropped, live.version, go);
  const onProblem = () => {
    const next = nextProblem(live.terminal.lines, dropped, problem);
    if (next === null) return;
    setProblem(next);
    go(next);
  };
  const digits = String(shown.length + dropped).length;
  const mark = search.needle.toLowerCase();
  const blocks = useMemo(() => blocksOfLines(shown, dropped), [shown, dropped]);
  const hit = search.hit ?? -1;
  const renderItem = useCallback(
    ({ item }: { item: Block }) => {
      const inside = (number: number) => (number >= item.from && number < item.from + item.lines.length ? number : -1);
      return <TerminalBlock block={item} digits={digits} isWrapped={isWrapped} mark={mark} hit={inside(hit)} problem={inside(problem)} colors={colors} />;
    },
    [digits, isWrapped, mark, hit, problem, colors],
  );
  const lines = <FlashList ref={list} data={blocks} renderItem={renderItem} keyExtractor={keyOf} tabIndex={0} {...handlers} />;
  return (
    <View style={styles.panel}>
      <SearchBar {...search} />
      <ScrollView horizontal showsHorizontalScrollIndicator={false} style={styles.tools} contentContainerStyle={styles.buttons} keyboardShouldPersistTaps="handled">
        {live.done === null && <Button title={isPaused ? t.log.resume : t.log.pause} onPress={() => pause(!isPaused)} />}
        <Button title={live.terminal.problems > 0 ? t.log.error : t.log.noError} isDisabled={live.terminal.problems === 0} onPress={onProblem} />
        <Button title={isWrapped ? t.noWrap : t.log.wrap} onPress={() => setWrapped(!isWrapped)} />
        <CopyButton title={t.log.copyAll} text={() => live.terminal.lines.map((line) => line.text).join("\n")} onProblem={setFailure} />
        <ActionButton title={t.shareLog} done={t.shared} run={onShareLog} onProblem={setFailure} />
      </ScrollView>
      {failure !== null && <Problem title={t.shareFailed} error={failure} />}
      {dropped > 0 && <Warning text={t.log.dropped(count(dropped))} />}
      <View role="log" aria-label={t.task.terminal} aria-live="off" testID="terminal" style={[styles.log, { borderColor: colors.line }]}>
        {shown.length === 0 && (
          <Text tone="soft" style={styles.empty}>
            {live.done ? t.task.noOutput : t.task.waitingForOutput}
          </Text>
        )}
        {isWrapped ? lines : <Sideways lines={shown}>{lines}</Sideways>}
      </View>
      {isPaused ? (
        <Button kind="primary" style={styles.jump} title={`${t.log.resume} · ${t.log.newBelow(count(waiting))}`} onPress={() => pause(false)} />
      ) : (
        !isFollowing && live.done === null && <Button kind="primary" style={styles.jump} title={`↓ ${t.log.follow}`} onPress={() => follow(true)} />
      )}
    </View>
  );
}

const keyOf = (block: Block) => String(block.id);

/** As wide as the longest line, so that all of them scroll sideways together. */
function Sideways({ lines, children }: { lines: Line[]; children: React.ReactNode }) {
  const { fontScale, width } = useWindowDimensions();
  const longest = useMemo(() => lines.reduce((most, line) => Math.max(most, line.text.length), 0), [lines]);
  return (
    <ScrollView horizontal style={styles.fill}>
      <View style={{ width: Math.max(width, (Math.min(longest, LONGEST) + 10) * WIDTH * fontScale) }}>{children}</View>
    </ScrollView>
  );
}

const styles = StyleSheet.create({
  panel: { flex: 1, gap: space.s, paddingTop: space.s },
  tools: { flexGrow: 0 },
  buttons: { gap: space.s },
  log: { flex: 1, minHeight: 120, borderWidth: 1, borderRadius: 8, overflow: "hidden" },
  fill: { flex: 1 },
  empty: { padding: space.l },
  jump: { position: "absolute", right: space.m, bottom: space.m },
});
