import { NotFoundError, type Task, isFinal } from "@codex-remote/sdk";
import { useQueryClient } from "@tanstack/react-query";
import { useRouter } from "expo-router";
import { type ReactNode, useEffect, useState } from "react";
import { ActivityIndicator, Pressable, ScrollView, StyleSheet, View } from "react-native";

import { handOver } from "@/live/hand-over";
import { TerminalPanel } from "@/live/terminal-panel";
import { TimelinePanel } from "@/live/timeline-panel";
import { type TaskStream, useTaskStream } from "@/live/use-task-stream";
import { watch } from "@/notices/watched";
import { shelfFor } from "@/offline";
import { type Copy, isAway, useSavedCopy } from "@/offline/saved-copy";
import { useOfflineTask } from "@/offline/use-offline";
import { changeComposer } from "@/composer/kept";
import { keys, useRepositories, useTask } from "@/queries";
import { clientFor } from "@/servers/client";
import { useServerUrl } from "@/servers/context";
import { Button } from "@/ui/button";
import { labelled } from "@/ui/labelled";
import { Notice, Problem } from "@/ui/notice";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";
import { ChangesPanel } from "./changes-panel";
import { DetailsPanel } from "./details-panel";
import { t } from "./strings";
import { TaskBar } from "./task-bar";
import { TaskHeader } from "./task-header";

type PanelName = "timeline" | "terminal" | "changes" | "details";
const views: PanelName[] = ["timeline", "terminal", "changes", "details"];

interface ScreenProps {
  id: string;
  /** Leads back to the list, where that is not beside the task. */
  onBack?: () => void;
}

/** A task: live while it runs, and what came of it afterwards. */
export function TaskScreen({ id, onBack }: ScreenProps) {
  const server = useServerUrl();
  const isReady = useOfflineTask(server, useQueryClient(), id);
  // Another task is another screen: nothing of the last one may stay.
  return isReady ? <OneTask key={`${server} ${id}`} server={server} id={id} onBack={onBack} /> : <Empty onBack={onBack} />;
}

function OneTask({ server, id, onBack }: ScreenProps & { server: string }) {
  const query = useTask(id);
  const client = clientFor(server);
  const stream = useTaskStream(client, id, shelfFor(server));
  const copy = useSavedCopy(query);
  const queries = useQueryClient();
  const told = stream?.view.done?.state ?? stream?.view.status?.state;
  useEffect(() => {
    if (told) void queries.invalidateQueries({ queryKey: keys.task(id) });
  }, [queries, id, told]);
  const isUnderWay = query.data !== undefined && !isFinal(query.data.status);
  useEffect(() => {
    if (isUnderWay) watch(server, id);
  }, [server, id, isUnderWay]);
  if (query.error instanceof NotFoundError) {
    return (
      <Empty onBack={onBack}>
        <Notice level={1} title={t.problem.notFound} text={t.problem.notFoundText} />
      </Empty>
    );
  }
  if (!query.data && query.error) {
    return (
      <Empty onBack={onBack}>
        {isAway(query.error) ? (
          <Notice level={1} title={t.offline.missing} text={t.missingText}>
            <Button title={t.retry} onPress={() => void query.refetch()} />
          </Notice>
        ) : (
          <Problem title={t.failed} error={query.error} onRetry={() => void query.refetch()} />
        )}
      </Empty>
    );
  }
  if (!query.data || !stream) return <Empty onBack={onBack} />;
  return <Loaded task={query.data} stream={stream} copy={copy} onBack={onBack} onShareLog={async () => handOver(await client.tasks.log(id), `${id}.log`, "text/plain")} />;
}

/** A task of which there is nothing to show, or nothing yet. */
function Empty({ onBack, children }: { onBack?: () => void; children?: ReactNode }) {
  const colors = useColors();
  return (
    <View style={styles.screen}>
      <TaskBar onBack={onBack} />
      {children ?? <ActivityIndicator {...labelled(t.loading)} color={colors.accent} style={styles.waiting} />}
    </View>
  );
}

interface LoadedProps {
  task: Task;
  stream: TaskStream;
  copy: Copy | null;
  onBack?: () => void;
  onShareLog: () => Promise<void>;
}

function Loaded({ task, stream, copy, onBack, onShareLog }: LoadedProps) {
  const { view: live } = stream;
  const state = live.done?.state ?? live.status?.state ?? task.status;
  const [view, setView] = useState<PanelName>("timeline");
  const onAgain = useAgain(task);
  // A log from the shelf is shown only while the gateway is away.
  const shown = live.savedAt === null ? copy : { at: live.savedAt, isAway: true };
  return (
    <View style={styles.screen} testID="task">
      <TaskHeader task={task} state={state} stream={stream} copy={shown} onBack={onBack} onAgain={onAgain} />
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

/** Leads to a new task with the same prompt, in the same repository where that is still there. */
function useAgain(task: Task): () => void {
  const router = useRouter();
  const server = useServerUrl();
  const repositories = useRepositories();
  return () => {
    const repository = repositories.data?.find(({ name }) => name === task.repository);
    if (repository) changeComposer(server, { repository: repository.path });
    router.navigate({ pathname: "/new", params: { prompt: task.prompt } });
  };
}

function Tabs({ view, onView }: { view: PanelName; onView: (view: PanelName) => void }) {
  const colors = useColors();
  return (
    <ScrollView horizontal showsHorizontalScrollIndicator={false} style={[styles.tabs, { borderColor: colors.line }]}>
      <View role="tablist" aria-label={t.task.views} style={styles.row}>
        {views.map((name) => (
          <Pressable key={name} role="tab" aria-selected={name === view} aria-label={t.task[name]} onPress={() => onView(name)} style={[styles.tab, name === view && [styles.open, { borderColor: colors.accent }]]}>
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
  screen: { flex: 1, paddingHorizontal: space.l },
  waiting: { padding: space.xl },
  fill: { flex: 1 },
  // Its height is that of its letters, however low the screen is.
  tabs: { flexGrow: 0, flexShrink: 0, borderBottomWidth: 1 },
  row: { flexDirection: "row" },
  tab: { minHeight: TOUCH, justifyContent: "center", paddingHorizontal: space.m, paddingBottom: 3 },
  // A transparent line would be seen where the system chooses all colours.
  open: { paddingBottom: 0, borderBottomWidth: 3 },
});
