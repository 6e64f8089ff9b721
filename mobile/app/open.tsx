import { useLocalSearchParams, useRouter } from "expo-router";
import { useEffect } from "react";

import { isTaskId } from "@/links/target";
import { nameOf } from "@/servers/address";
import { chooseServer, currentServer, useServers } from "@/servers/servers";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Notice } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { useRouterReady } from "@/use-router-ready";

/** Goes on to a task of whichever server a link names. */
export default function Open() {
  const router = useRouter();
  const { server = "", task } = useLocalSearchParams<{ server?: string; task?: string }>();
  const isKnown = useServers().some(({ url }) => url === server);
  const isReady = useRouterReady();
  useEffect(() => {
    if (!isReady || !isKnown || !isTaskId(task)) return;
    // First the way, then the server: turning to it makes all screens anew, from where the app is then.
    router.replace(`/task/${task}`);
    if (currentServer()?.url !== server) chooseServer(server);
  }, [isReady, isKnown, server, task, router]);
  if (isKnown && isTaskId(task)) return null;
  const isForeign = isTaskId(task) && URL.canParse(server);
  return (
    <Screen>
      <Notice level={1} title={t.problem.notFound} text={isForeign ? t.links.unknownServer(nameOf(server)) : t.links.bad}>
        <Button title={isForeign ? t.servers.add : t.problem.home} onPress={() => router.replace(isForeign ? "/settings" : "/")} />
      </Notice>
    </Screen>
  );
}
