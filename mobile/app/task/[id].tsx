import { NotFoundError, isFinal } from "@codex-remote/sdk";
import { useLocalSearchParams, useRouter } from "expo-router";

import { useLooking } from "@/notices/use-notices";
import { useTask } from "@/queries";
import { useServerUrl } from "@/servers/context";
import { t } from "@/strings";
import { CancelButton } from "@/tasks/cancel-button";
import { Button } from "@/ui/button";
import { Notice, Problem } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { StateBadge } from "@/ui/state-badge";
import { Text } from "@/ui/text";

export default function TaskScreen() {
  const { id } = useLocalSearchParams<{ id: string }>();
  const router = useRouter();
  const query = useTask(id);
  useLooking(useServerUrl(), id);
  const task = query.data;
  return (
    <Screen>
      {query.error instanceof NotFoundError && (
        <Notice title={t.problem.notFound} text={t.problem.notFoundText}>
          <Button title={t.problem.home} onPress={() => router.replace("/")} />
        </Notice>
      )}
      {query.error && !(query.error instanceof NotFoundError) && <Problem title={t.task.failed} error={query.error} onRetry={() => void query.refetch()} />}
      {task && (
        <>
          <Text kind="heading" selectable>
            {task.prompt}
          </Text>
          <StateBadge state={task.status} />
          {!isFinal(task.status) && <CancelButton id={id} isAsked={false} />}
        </>
      )}
    </Screen>
  );
}
