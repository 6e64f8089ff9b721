import type { Task } from "@codex-remote/sdk";
import { ago, firstLine, reasonName } from "@codex-remote/view";
import { memo } from "react";
import { type GestureResponderEvent, Platform, Pressable, StyleSheet, View } from "react-native";

import { StateBadge } from "@/ui/state-badge";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";

interface EntryProps {
  task: Task;
  now: number;
  isSelected: boolean;
  onPress: () => void;
}

/** One task of the list. The time is all that changes by itself, so entries are drawn again for what they show only. */
export const Entry = memo(
  function Entry({ task, now, isSelected, onPress }: EntryProps) {
    const colors = useColors();
    const time = ago(task.created_at, now);
    // What is cut off first comes last.
    const details = [time, task.repository, task.status === "error" ? (task.reason ? reasonName(task.reason) : task.message) : null, task.owner].filter(Boolean).join(" · ");
    const title = firstLine(task.prompt);
    return (
      <Pressable
        role="link"
        // Named by its texts. Systems say of anything that it is selected.
        {...(Platform.OS === "web" ? linkOf(task.task_id, isSelected) : { "aria-selected": isSelected })}
        onPress={Platform.OS === "web" ? inPage(onPress) : onPress}
        style={({ pressed }) => [styles.entry, { borderColor: colors.line }, (pressed || isSelected) && { backgroundColor: colors.sunken }]}
      >
        <Text kind="strong" numberOfLines={2} testID="entry-title">
          {title}
        </Text>
        <View style={styles.row}>
          <StateBadge state={task.status} />
          <Text kind="small" tone="soft" numberOfLines={1} style={styles.wide}>
            {details}
          </Text>
        </View>
      </Pressable>
    );
  },
  (before, after) => before.task === after.task && before.isSelected === after.isSelected && ago(before.task.created_at, before.now) === ago(after.task.created_at, after.now),
);

/** In a page it is a link of the page: only those are followed by the Enter key, and can be opened in a tab of their own. */
const linkOf = (id: string, isSelected: boolean): object => ({ href: `/task/${id}`, "aria-current": isSelected ? "page" : undefined });

/** Opens a link without loading the page anew; clicks that ask for another tab or window are the browser's. */
function inPage(open: () => void): (event: GestureResponderEvent) => void {
  return (event) => {
    const { ctrlKey, metaKey, shiftKey } = event.nativeEvent as { ctrlKey?: boolean; metaKey?: boolean; shiftKey?: boolean };
    if (ctrlKey || metaKey || shiftKey) return;
    event.preventDefault();
    open();
  };
}

const styles = StyleSheet.create({
  entry: { gap: space.xs, paddingVertical: space.m, paddingHorizontal: space.s, marginHorizontal: -space.s, borderBottomWidth: StyleSheet.hairlineWidth },
  row: { flexDirection: "row", alignItems: "center", gap: space.s },
  wide: { flex: 1, minWidth: 0 },
});
