import type { Task } from "@codex-remote/sdk";
import { count } from "@codex-remote/view";
import { useIsFocused } from "expo-router";
import { useEffect, useRef, useState } from "react";
import { ActivityIndicator, FlatList, Platform, RefreshControl, StyleSheet, View } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { SavedCopy, useSavedCopy } from "@/offline/saved-copy";
import { type Filter, flat, useTasks } from "@/queries";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { labelled } from "@/ui/labelled";
import { Notice, Problem } from "@/ui/notice";
import { Text } from "@/ui/text";
import { MEASURE, TOUCH, space, useColors } from "@/ui/theme";
import { useActive } from "@/use-active";
import { useNow } from "@/use-now";
import { Entry } from "./entry";
import { StateFilter } from "./state-filter";

const none: Filter = { status: "", q: "" };
/** How long typing has to pause before the gateway is asked, in milliseconds. */
const PAUSE = 250;

export interface HistoryProps {
  /** The task that stands beside the list. */
  selected?: string | null;
  onOpen: (task: Task) => void;
  onCompose: () => void;
}

/** The tasks, newest first. */
export function History({ selected = null, onOpen, onCompose }: HistoryProps) {
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const [filter, setFilter] = useState<Filter>(none);
  const asked = useSettled(filter);
  const isActive = useActive();
  const isFocused = useIsFocused();
  const query = useTasks(asked, isActive && isFocused);
  const copy = useSavedCopy(query);
  const [isPulled, setPulled] = useState(false);
  const now = useNow();
  const tasks = flat(query.data?.pages);
  const last = query.data?.pages.at(-1);
  const isFiltered = filter.status !== "" || filter.q !== "";
  const refresh = () => {
    setPulled(true);
    void query.refetch().finally(() => setPulled(false));
  };
  // The list says once that its end is near. While it is read again there is no next page to ask for, so that has to wait.
  const isAtEnd = useRef(false);
  const more = () => {
    if (!isAtEnd.current || query.isFetching) return;
    isAtEnd.current = false;
    if (query.hasNextPage) void query.fetchNextPage();
  };
  useEffect(more);

  return (
    <FlatList
      testID="history"
      data={tasks}
      keyExtractor={(task) => task.task_id}
      renderItem={({ item }) => <Entry task={item} now={now} isSelected={item.task_id === selected} onPress={() => onOpen(item)} />}
      style={{ backgroundColor: colors.ground }}
      contentContainerStyle={[styles.content, { paddingTop: insets.top + space.s, paddingBottom: insets.bottom + space.xl, paddingLeft: insets.left + space.l, paddingRight: insets.right + space.l }]}
      keyboardShouldPersistTaps="handled"
      keyboardDismissMode="on-drag"
      refreshControl={<RefreshControl refreshing={isPulled} onRefresh={refresh} tintColor={colors.accent} colors={[colors.accent]} progressViewOffset={insets.top} />}
      onEndReachedThreshold={1}
      onEndReached={() => {
        isAtEnd.current = true;
        more();
      }}
      ListHeaderComponent={
        <View style={styles.head}>
          <View style={styles.title}>
            <Text kind="title">{t.list.title}</Text>
            {last && (
              <Text tone="soft" testID="total">
                {t.list.total(count(tasks.length), count(Math.max(last.total, tasks.length)), Boolean(last.total_is_more))}
              </Text>
            )}
            {(isPulled || query.isPlaceholderData) && Platform.OS === "web" && <ActivityIndicator aria-label={t.loading} color={colors.accent} />}
            <View style={styles.fill} />
            {/* A page cannot be pulled, and keyboards cannot pull. */}
            {Platform.OS === "web" && <Button title="↻" label={t.list.refresh} kind="quiet" onPress={refresh} style={styles.refresh} />}
          </View>
          <Field
            label={t.list.search}
            isLabelHidden
            onClear={() => setFilter({ ...filter, q: "" })}
            placeholder={t.list.searchHint}
            value={filter.q}
            onChangeText={(q) => setFilter({ ...filter, q })}
            autoCapitalize="none"
            autoCorrect={false}
            inputMode="search"
            returnKeyType="search"
          />
          <StateFilter value={filter.status} onChange={(status) => setFilter({ ...filter, status })} />
          {copy && <SavedCopy copy={copy} />}
          {query.error && !copy && <Problem title={t.list.failed} error={query.error} onRetry={() => void query.refetch()} />}
        </View>
      }
      ListEmptyComponent={
        query.isPending ? (
          <ActivityIndicator {...labelled(t.loading)} color={colors.accent} style={styles.waiting} />
        ) : query.error ? null : isFiltered ? (
          <Notice title={t.list.nothing} text={t.list.nothingText}>
            <Button title={t.list.clear} onPress={() => setFilter(none)} />
          </Notice>
        ) : (
          <Notice title={t.list.empty} text={t.list.emptyText}>
            <Button title={t.nav.compose} kind="primary" onPress={onCompose} />
          </Notice>
        )
      }
      ListFooterComponent={query.isFetchingNextPage ? <ActivityIndicator {...labelled(t.list.more)} color={colors.accent} style={styles.waiting} /> : null}
    />
  );
}

/** The filter as it stands when nobody types. */
function useSettled(filter: Filter): Filter {
  const [settled, setSettled] = useState(filter);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(filter), PAUSE);
    return () => clearTimeout(timer);
  }, [filter]);
  // A touch on a state, or clearing, should not wait.
  return settled.q === filter.q ? filter : settled;
}

const styles = StyleSheet.create({
  content: { flexGrow: 1, width: "100%", maxWidth: MEASURE, alignSelf: "center" },
  head: { gap: space.m, paddingBottom: space.s },
  title: { minHeight: TOUCH, flexDirection: "row", flexWrap: "wrap", alignItems: "center", gap: space.s },
  fill: { flex: 1 },
  refresh: { paddingHorizontal: space.m, marginRight: -space.m },
  waiting: { padding: space.xl },
});
