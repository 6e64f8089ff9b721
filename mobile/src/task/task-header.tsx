import { type Task, type TaskState, isFinal } from "@codex-remote/sdk";
import { type Connection, type LiveView, count, duration, firstLine, plainMessage, reasonName, short } from "@codex-remote/view";
import { StyleSheet, View } from "react-native";

import { ConnectionState } from "@/live/connection";
import type { TaskStream } from "@/live/use-task-stream";
import { type Copy, SavedCopy } from "@/offline/saved-copy";
import { CancelButton } from "@/tasks/cancel-button";
import { Announce } from "@/ui/announce";
import { Button } from "@/ui/button";
import { StateBadge } from "@/ui/state-badge";
import { Text } from "@/ui/text";
import { space, useColors, useIsShort } from "@/ui/theme";
import { useNow } from "@/use-now";
import { t } from "./strings";
import { TaskBar } from "./task-bar";

export interface TaskHeaderProps {
  task: Task;
  state: TaskState;
  stream: TaskStream;
  copy: Copy | null;
  onBack?: () => void;
  /** Writes another task with the same prompt. */
  onAgain: () => void;
}

/** What a task is and how it stands. Where a screen is low or letters are large it is one line: what came of the task is what people are here for. */
export function TaskHeader({ task, state, stream, copy, onBack, onAgain }: TaskHeaderProps) {
  const isShort = useIsShort();
  const { view: live, retry } = stream;
  const isOver = isFinal(state);
  const title = (
    <Text kind="heading" aria-level={1} numberOfLines={isShort ? 1 : 2} style={styles.title}>
      {firstLine(task.prompt)}
    </Text>
  );
  const standing = (
    <>
      <StateBadge state={state} />
      {state === "queued" && live.status?.queue_position && <Text kind="small">{t.task.position(live.status.queue_position)}</Text>}
      <ConnectionState connection={live.connection} onRetry={retry} />
    </>
  );
  return (
    <View style={styles.header}>
      <TaskBar
        onBack={onBack}
        middle={
          (isShort || !onBack) && (
            <>
              {title}
              {isShort && standing}
            </>
          )
        }
      >
        {!isOver && <CancelButton id={task.task_id} isAsked={Boolean(live.status?.cancel_requested ?? task.cancel_requested_at)} />}
        {isOver && !task.prompt_truncated && <Button title={t.task.again} kind="quiet" onPress={onAgain} style={styles.again} />}
      </TaskBar>
      {!isShort && onBack && title}
      {!isShort && (
        <View style={styles.facts}>
          {standing}
          <Elapsed task={task} isOver={isOver} savedAt={copy?.at ?? null} />
          <Tokens task={task} live={live} />
          {isOver && task.exit_code !== null && task.exit_code !== 0 && (
            <Text kind="small" tone="soft">
              {`${t.task.exit} ${task.exit_code}`}
            </Text>
          )}
        </View>
      )}
      <Announce text={isOver ? t.states[state] : standingOf(live.connection, state)} />
      {copy && <SavedCopy copy={copy} />}
      {isOver && <Outcome task={task} state={state} live={live} />}
    </View>
  );
}

/** What is worth interrupting somebody for: that the task goes on is, once more, when the connection is back. */
function standingOf(connection: Connection, state: TaskState): string {
  if (connection.state === "paused") return t.paused[connection.reason];
  return connection.state === "waiting" || connection.state === "failed" ? t.connection[connection.state] : t.states[state];
}

/** Why a task did not come to its end. */
function Outcome({ task, state, live }: { task: Task; state: TaskState; live: LiveView }) {
  const colors = useColors();
  const said = live.done ?? live.status;
  const message = said?.message ?? task.message;
  const reason = said?.reason ?? task.reason;
  if (state === "completed" || !message) return null;
  const isCanceled = state === "canceled";
  return (
    <View testID="outcome" style={[styles.message, { backgroundColor: isCanceled ? colors.warnGround : colors.badGround }]}>
      <Text selectable>
        {reason && !isCanceled && (
          <Text kind="strong" tone="bad">
            {reasonName(reason)}:{" "}
          </Text>
        )}
        {plainMessage(message)}
      </Text>
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
  title: { flexShrink: 1 },
  again: { paddingHorizontal: 0 },
  facts: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", columnGap: space.m, rowGap: space.xs },
  figures: { fontVariant: ["tabular-nums"] },
  message: { padding: space.m, borderRadius: 10 },
});
