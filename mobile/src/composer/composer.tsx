import { APIError } from "@codex-remote/sdk";
import { useRef, useState } from "react";
import { StyleSheet, View } from "react-native";

import { watch } from "@/notices/watched";
import { useCreateTask, useRepositories } from "@/queries";
import { useServerUrl } from "@/servers/context";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Choice } from "@/ui/choice";
import { Field } from "@/ui/field";
import { Problem } from "@/ui/notice";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";
import { changeComposer, remember, useComposer } from "./kept";
import { RecentPrompts } from "./recent-prompts";
import { chosen, limitOf, secondsOf, taskOf } from "./task";

/** Writes a task and starts it. */
export function Composer({ onStarted }: { onStarted: (id: string) => void }) {
  const server = useServerUrl();
  const state = useComposer(server);
  const repositories = useRepositories();
  const create = useCreateTask();
  const [folder, setFolder] = useState("");
  const [hasOptions, setOptions] = useState(false);
  const isSent = useRef(false);

  const known = repositories.data ?? [];
  const repository = chosen(known, state.repository);
  const wrong = create.error instanceof APIError ? create.error.field : null;
  const isLimitWrong = secondsOf(state.minutes) === null;
  const isReady = state.draft.trim() !== "" && !isLimitWrong && !create.isPending;

  const submit = () => {
    // A second touch may come before the button knows of the first one, and would be a second task.
    if (!isReady || isSent.current) return;
    isSent.current = true;
    create.mutate(taskOf(state, repository, folder), {
      onSuccess: ({ task_id: id }) => {
        remember(server, state.draft);
        changeComposer(server, { draft: "" });
        watch(server, id);
        onStarted(id);
      },
      onSettled: () => {
        isSent.current = false;
      },
    });
  };

  return (
    <View style={styles.form}>
      {create.error && <Problem title={t.composer.failed} error={create.error} />}
      {repositories.error && !repositories.data && <Problem title={t.composer.repositoriesFailed} error={repositories.error} onRetry={() => void repositories.refetch()} />}
      {repositories.data?.length === 0 && <Text tone="warn">{t.composer.noRepositories}</Text>}
      {/* Dictation and the system's own corrections are left as people have set them: prompts are prose. */}
      <Field
        label={t.composer.prompt}
        placeholder={t.composer.placeholder}
        value={state.draft}
        onChangeText={(draft) => changeComposer(server, { draft })}
        multiline
        scrollEnabled={false}
        textAlignVertical="top"
        autoCapitalize="sentences"
        style={styles.prompt}
        testID="prompt"
      />
      <Choice
        label={t.composer.repository}
        options={known.map(({ path, name, description }) => ({ value: path, name, text: description ?? path }))}
        value={repository?.path ?? ""}
        onChange={(path) => changeComposer(server, { repository: path })}
        isDisabled={known.length === 0}
      />
      <Button title={t.composer.options} kind="quiet" aria-expanded={hasOptions} onPress={() => setOptions(!hasOptions)} style={styles.left} />
      {hasOptions && (
        <View style={styles.form}>
          <Field label={t.composer.folder} placeholder={t.composer.folderHint} value={folder} onChangeText={setFolder} problem={wrong === "cwd" ? create.error?.message : null} autoCapitalize="none" autoCorrect={false} />
          <Field
            label={t.composer.model}
            placeholder={repository?.model ?? t.composer.modelHint}
            value={state.model}
            onChangeText={(model) => changeComposer(server, { model })}
            problem={wrong === "model" ? create.error?.message : null}
            autoCapitalize="none"
            autoCorrect={false}
          />
          <Field
            label={t.composer.minutes}
            placeholder={t.composer.minutesHint(limitOf(repository))}
            value={state.minutes}
            onChangeText={(minutes) => changeComposer(server, { minutes })}
            problem={isLimitWrong ? t.composer.minutesWrong : null}
            inputMode="decimal"
          />
        </View>
      )}
      <Button title={create.isPending ? t.composer.submitting : t.composer.submit} kind="primary" isDisabled={!isReady} onPress={submit} style={styles.submit} />
      <RecentPrompts server={server} />
    </View>
  );
}

const styles = StyleSheet.create({
  form: { gap: space.m },
  prompt: { minHeight: 140 },
  left: { alignSelf: "flex-start" },
  submit: { minHeight: 56 },
});
