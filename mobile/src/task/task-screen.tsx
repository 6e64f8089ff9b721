import { NotFoundError, type Task, isFinal } from "@codex-remote/sdk";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Pressable, ScrollView, StyleSheet, View } from "react-native";

import { handOver } from "@/live/hand-over";
import { TerminalPanel } from "@/live/terminal-panel";
import { TimelinePanel } from "@/live/timeline-panel";
import { type TaskStream, useTaskStream } from "@/live/use-task-stream";
import { watch } from "@/notices/watched";
import { shelfFor } from "@/offline";
import { isAway, useSavedCopy } from "@/offline/saved-copy";
import { useOfflineTask } from "@/offline/use-offline";
import { keys, useTask } from "@/queries";
import { clientFor } from "@/servers/client";
import { useServerUrl } from "@/servers/context";
import { Button } from "@/ui/button";
import { Notice, Problem } from "@/ui/notice";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";
import { ChangesPanel } from "./changes-panel";
import { DetailsPanel } from "./details-panel";
import { t } from "./strings";
import { TaskHeader } from "./task-header";

type PanelName = "timeline" | "terminal" | "changes" | "details";
const views: PanelName[] = ["timeline", "terminal", "changes", "details"];

/** A task: live while it runs, and what came of it afterwards. */
export function TaskScreen({ id }: { id: string }) {
  const server = useServerUrl();
  const isReady = useOfflineTask(server, useQueryClient(), id);
  // Another task is another screen: nothing of the last one may stay.
  return isReady ? <OneTask key={`${server} ${id}`} server={server} id={id} /> : <Notice title={t.loading} />;
}

function OneTask({ server, id }: { server: string; id: string }) {
  const query = useTask(id);
  const client = clientFor(server);
  const stream = useTaskStream(client, id, shelfFor(server));
  const savedAt = useSavedCopy(query);
  const queries = useQueryClient();
  const told = stream?.view.done?.state ?? stream?.view.status?.state;
  useEffect(() => {
    if (told) void queries.invalidateQueries({ queryKey: keys.task(id) });
  }, [queries, id, told]);
  const isUnderWay = query.data !== undefined && !isFinal(query.data.status);
  useEffect(() => {
    if (isUnderWay) watch(server, id);
  }, [server, id, isUnderWay]);
  if (query.error instanceof NotFoundError) return <Notice title={t.problem.notFound} text={t.problem.notFoundText} />;
  if (!query.data && query.error) {
    if (!isAway(query.error)) return <Problem title={t.failed} error={query.error} onRetry={() => void query.refetch()} />;
    return (
      <Notice title={t.offline.missing} text={t.missingText}>
        <Button title={t.retry} onPress={() => void query.refetch()} />
      </Notice>
    );
  }
  if (!query.data || !stream) return <Notice title={t.loading} />;
  return <Loaded task={query.data} stream={stream} savedAt={savedAt} onShareLog={async () => handOver(await client.tasks.log(id), `${id}.log`, "text/plain")} />;
}

interface LoadedProps {
  task: Task;
  stream: TaskStream;
  savedAt: number | null;
  onShareLog: () => Promise<void>;
}

function Loaded({ task, stream, savedAt, onShareLog }: LoadedProps) {
  const { view: live } = stream;
  const state = live.done?.state ?? live.status?.state ?? task.status;
  const [view, setView] = useState<PanelName>("timeline");
  return (
    <View style={styles.screen} testID="task">
      <TaskHeader task={task} state={state} stream={stream} savedAt={live.savedAt ?? savedAt} />
      <Tabs view={view} onView={setView} />
      <View role="tabpanel" aria-label={t.task[view]} style={styles.fill}>
        {view === "timeline" && <TimelinePanel live={live} state={state} />}
        {view === "terminal" && <TerminalPanel live={live} onShareLog={onShareLog} />}
        {view === "changes" && <ChangesPanel id={task.task_id} isFinal={isFinal(state)} />}
        {view === "details" && <DetailsPanel task={task} />}
      </View>
    </View>
  );
}

function Tabs({ view, onView }: { view: PanelName; onView: (view: PanelName) => void }) {
  const colors = useColors();
  return (
    <ScrollView horizontal showsHorizontalScrollIndicator={false} style={[styles.tabs, { borderColor: colors.line }]}>
      <View role="tablist" aria-label={t.task.views} style={styles.row}>
        {views.map((name) => (
          <Pressable key={name} role="tab" aria-selected={name === view} aria-label={t.task[name]} onPress={() => onView(name)} style={[styles.tab, { borderColor: name === view ? colors.accent : "transparent" }]}>
            <Text kind={name === view ? "strong" : "body"} tone={name === view ? "text" : "soft"}>
              {t.task[name]}
            </Text>
          </Pressable>
        ))}
      </View>
    </ScrollView>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1, paddingHorizontal: space.l, paddingTop: space.s },
  fill: { flex: 1 },
  tabs: { flexGrow: 0, borderBottomWidth: 1 },
  row: { flexDirection: "row" },
  tab: { minHeight: TOUCH, justifyContent: "center", paddingHorizontal: space.m, borderBottomWidth: 3 },
});
