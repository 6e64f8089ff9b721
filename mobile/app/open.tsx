import { useMutation } from "@tanstack/react-query";
import { useLocalSearchParams, useRouter } from "expo-router";
import { useEffect } from "react";

import { setGoal } from "@/links/goal";
import { isTaskId } from "@/links/target";
import { nameOf } from "@/servers/address";
import { findServer } from "@/servers/find";
import { chooseServer, currentServer, useServers } from "@/servers/servers";
import { meetServer } from "@/servers/session";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Notice, Problem } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { useRouterReady } from "@/use-router-ready";

/** Goes on to a task of whichever server a link names. */
export default function Open() {
  const router = useRouter();
  const { server = "", task } = useLocalSearchParams<{ server?: string; task?: string }>();
  const known = useServers().find(({ url }) => url === server);
  const [isKnown, isSignedIn] = [known !== undefined, known?.isSignedIn === true];
  const isReady = useRouterReady();
  useEffect(() => {
    if (!isReady || !isKnown || !isTaskId(task)) return;
    const path = `/task/${task}` as const;
    if (!isSignedIn) setGoal(server, path);
    // First the way, then the server: turning to it makes all screens anew, from where the app is then.
    router.replace(path);
    if (currentServer()?.url !== server) chooseServer(server);
  }, [isReady, isKnown, isSignedIn, server, task, router]);
  if (isKnown && isTaskId(task)) return null;
  return (
    <Screen>
      {isTaskId(task) && URL.canParse(server) ? (
        <Foreign server={server} task={task} />
      ) : (
        <Notice level={1} title={t.problem.notFound} text={t.links.bad}>
          <Button title={t.problem.home} onPress={() => router.replace("/")} />
        </Notice>
      )}
    </Screen>
  );
}

/** A link may name any server, so nothing is asked of one that nobody added here before somebody says so. Then it goes on after the sign-in. */
function Foreign({ server, task }: { server: string; task: string }) {
  const router = useRouter();
  const name = nameOf(server);
  const add = useMutation({
    mutationFn: () => findServer(server),
    networkMode: "always",
    onSuccess: ({ url }) => {
      setGoal(url, `/task/${task}`);
      return meetServer(url);
    },
  });
  return (
    <>
      <Notice level={1} title={t.links.another} text={t.links.unknownServer(name)}>
        <Button title={add.isPending ? t.servers.finding : t.links.addServer(name)} isDisabled={add.isPending} onPress={() => add.mutate()} />
        <Button title={t.problem.home} kind="quiet" onPress={() => router.replace("/")} />
      </Notice>
      {add.error && <Problem error={add.error} />}
    </>
  );
}
