import { FlashList, type FlashListRef } from "@shopify/flash-list";
import { type TaskState, isFinal } from "@codex-remote/sdk";
import { type LiveView, type Row, count, findRows, isProblem } from "@codex-remote/view";
import { useCallback, useMemo, useRef, useState } from "react";
import { StyleSheet, View } from "react-native";

import { t } from "@/task/strings";
import { Button } from "@/ui/button";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";
import { SearchBar } from "./search-bar";
import { TimelineRow } from "./timeline-row";
import { useFollow } from "./use-follow";

export function TimelinePanel({ live, state }: { live: LiveView; state: TaskState }) {
  const list = useRef<FlashListRef<Row>>(null);
  const [chosen, setChosen] = useState(-1);
  const [needle, setNeedle] = useState("");
  const { isFollowing, follow, handlers } = useFollow(list, !isFinal(state));
  // The rows are the same array with other content: a list would not see that there is more of it.
  const { rows: all } = live.timeline;
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const rows = useMemo(() => [...all], [all, live.version]);
  const hits = useMemo(() => findRows(rows, needle), [rows, needle]);
  const problems = useMemo(() => rows.flatMap((row, index) => (isProblem(row) ? [index] : [])), [rows]);

  const go = (index: number | undefined) => {
    if (index === undefined || index < 0 || index >= rows.length) return;
    setChosen(index);
    follow(false);
    void list.current?.scrollToIndex({ index, animated: false });
  };
  const onMatch = (step: 1 | -1) => go(step > 0 ? (hits.find((index) => index > chosen) ?? hits[0]) : ([...hits].reverse().find((index) => index < chosen) ?? hits.at(-1)));
  const onProblem = () => go(problems.find((index) => index > chosen) ?? problems[0]);
  const isOver = isFinal(state);
  const renderItem = useCallback(({ item, index }: { item: Row; index: number }) => <TimelineRow row={item} isMarked={index === chosen} isOver={isOver} />, [chosen, isOver]);

  return (
    <View style={styles.panel}>
      <SearchBar needle={needle} onNeedle={setNeedle} matches={{ at: hits.indexOf(chosen) + 1, of: hits.length }} onMatch={onMatch} />
      {problems.length > 0 && <Button style={styles.problem} title={`${t.log.error} (${count(problems.length)})`} onPress={onProblem} />}
      <View role="log" aria-label={t.task.timeline} aria-live="off" testID="timeline" style={styles.log}>
        {rows.length === 0 && (
          <Text tone="soft" style={styles.empty}>
            {state === "queued" ? t.task.queuedText : live.done ? t.task.noOutput : isOver ? t.loading : t.task.waitingForOutput}
          </Text>
        )}
        <FlashList ref={list} data={rows} renderItem={renderItem} keyExtractor={keyOf} getItemType={typeOf} {...handlers} />
      </View>
      {!isFollowing && !isFinal(state) && <Button kind="primary" style={styles.jump} title={`↓ ${t.log.follow}`} onPress={() => follow(true)} />}
    </View>
  );
}

const keyOf = (row: Row) => String(row.id);
/** Rows of one type look alike, so that one is drawn in the place of another. */
const typeOf = (row: Row) => (row.kind === "item" ? row.item.type : row.kind);

const styles = StyleSheet.create({
  panel: { flex: 1, gap: space.s, paddingTop: space.s },
  problem: { alignSelf: "flex-start" },
  log: { flex: 1, minHeight: 120 },
  empty: { paddingVertical: space.xl, textAlign: "center" },
  jump: { position: "absolute", right: space.m, bottom: space.m },
});
