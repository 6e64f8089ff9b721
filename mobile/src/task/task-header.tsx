import { type Task, type TaskState, isFinal } from "@codex-remote/sdk";
import { type LiveView, count, duration, firstLine, plainMessage, short } from "@codex-remote/view";
import { StyleSheet, View } from "react-native";

import { ConnectionState } from "@/live/connection";
import type { TaskStream } from "@/live/use-task-stream";
import { SavedCopy } from "@/offline/saved-copy";
import { CancelButton } from "@/tasks/cancel-button";
import { StateBadge } from "@/ui/state-badge";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";
import { useNow } from "@/use-now";
import { t } from "./strings";

export function TaskHeader({ task, state, stream, savedAt }: { task: Task; state: TaskState; stream: TaskStream; savedAt: number | null }) {
  const colors = useColors();
  const { view: live, retry } = stream;
  const isOver = isFinal(state);
  const said = live.done ?? live.status;
  const given = said?.message ?? task.message;
  const reason = said?.reason ?? task.reason;
  return (
    <View style={styles.header}>
      <Text kind="heading" numberOfLines={3}>
        {firstLine(task.prompt)}
      </Text>
      <View style={styles.facts}>
        <StateBadge state={state} />
        {state === "queued" && live.status?.queue_position && <Text kind="small">{t.task.position(live.status.queue_position)}</Text>}
        <ConnectionState connection={live.connection} onRetry={retry} />
        <Elapsed task={task} isOver={isOver} savedAt={savedAt} />
        <Tokens task={task} live={live} />
        {isOver && task.exit_code !== null && (
          <Text kind="small" tone="soft">
            {`${t.task.exit} ${task.exit_code}`}
          </Text>
        )}
      </View>
      {savedAt !== null && <SavedCopy at={savedAt} />}
      {isOver && state !== "completed" && given && (
        <View role="status" style={[styles.message, { backgroundColor: colors.badGround }]}>
          <Text selectable>
            {reason && (
              <Text kind="strong" tone="bad">
                {reason}:{" "}
              </Text>
            )}
            {plainMessage(given)}
          </Text>
        </View>
      )}
      {!isOver && <CancelButton id={task.task_id} isAsked={Boolean(live.status?.cancel_requested ?? task.cancel_requested_at)} />}
    </View>
  );
}

function Elapsed({ task, isOver, savedAt }: { task: Task; isOver: boolean; savedAt: number | null }) {
  // Nobody knows how a task that ran when it was last seen went on.
  const clock = useNow(!isOver && task.started_at !== null && savedAt === null ? 1_000 : null);
  if (!task.started_at) return null;
  const end = task.finished_at ? Date.parse(task.finished_at) : (savedAt ?? clock);
  return (
    <Text kind="small" tone="soft" testID="elapsed" style={styles.figures}>
      {`${t.task.elapsed} ${duration((end - Date.parse(task.started_at)) / 1000)}`}
    </Text>
  );
}

function Tokens({ task, live }: { task: Task; live: LiveView }) {
  const usage = live.timeline.usage ?? task.usage;
  if (!usage) return null;
  return (
    <Text kind="small" tone="soft" aria-label={`${t.task.tokens}: ${t.task.tokensDetail(count(usage.input_tokens), count(usage.cached_input_tokens), count(usage.output_tokens))}`}>
      {`${t.task.tokens} ${short(usage.input_tokens + usage.output_tokens)}`}
    </Text>
  );
}

const styles = StyleSheet.create({
  header: { gap: space.s, paddingBottom: space.s },
  facts: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", columnGap: space.m, rowGap: space.xs },
  figures: { fontVariant: ["tabular-nums"] },
  message: { padding: space.m, borderRadius: 10 },
});
