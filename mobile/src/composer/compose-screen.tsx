import { LONGEST_PROMPT } from "@codex-remote/view";
import { useLocalSearchParams, useRouter } from "expo-router";
import { useEffect, useState } from "react";

import { incoming } from "@/platform/incoming";
import { useServerUrl } from "@/servers/context";
import { t } from "@/strings";
import { ConfirmDialog } from "@/ui/dialog";
import { Screen } from "@/ui/screen";
import { Text } from "@/ui/text";
import { useRouterReady } from "@/use-router-ready";
import { Composer } from "./composer";
import { changeComposer, readComposer } from "./kept";

/** Writes a task. `prompt` of the address, or what another app shares, comes into the field, and is only ever sent by a touch. */
export function ComposeScreen() {
  const router = useRouter();
  const server = useServerUrl();
  const { prompt, shared } = useLocalSearchParams<{ prompt?: string; shared?: string }>();
  const [waiting, setWaiting] = useState<string | null>(null);
  const isReady = useRouterReady();
  useEffect(() => {
    if (!isReady) return;
    const text = (shared ? incoming.take() : (prompt ?? "")).trim().slice(0, LONGEST_PROMPT);
    if (prompt !== undefined || shared !== undefined) router.setParams({ prompt: undefined, shared: undefined });
    if (!text) return;
    const { draft } = readComposer(server);
    if (draft.trim() && draft.trim() !== text) setWaiting(text);
    else changeComposer(server, { draft: text });
  }, [isReady, prompt, shared, server, router]);
  return (
    <Screen>
      <Text kind="title">{t.composer.title}</Text>
      <Composer onStarted={(id) => router.push(`/task/${id}`)} />
      <ConfirmDialog
        isOpen={waiting !== null}
        onClose={() => setWaiting(null)}
        title={t.composer.replaceTitle}
        text={t.composer.replaceText}
        action={t.composer.replaceDo}
        keep={t.composer.replaceKeep}
        isDangerous={false}
        run={() => waiting !== null && changeComposer(server, { draft: waiting })}
      />
    </Screen>
  );
}
