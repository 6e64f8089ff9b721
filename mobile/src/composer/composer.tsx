import { type TaskDraft, type Variable, chosen, taskOf } from "@codex-remote/view";
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
import { OptionFields, type Options } from "./options";
import { problemsOf } from "./problems";
import { RecentPrompts } from "./recent-prompts";

/** Of the variables nothing is kept on the device, and they are for one task: what they say is nobody's business later. */
const none: Pick<Options, "folder" | "variables"> = { folder: "", variables: [] as Variable[] };

/** Writes a task and starts it. */
export function Composer({ onStarted }: { onStarted: (id: string) => void }) {
  const server = useServerUrl();
  const state = useComposer(server);
  const repositories = useRepositories();
  const create = useCreateTask();
  const [passing, setPassing] = useState(none);
  const [hasOptions, setOptions] = useState(false);
  const isSent = useRef(false);

  const known = repositories.data ?? [];
  const repository = chosen(known, state.repository);
  const { draft: prompt, model, minutes } = state;
  const draft: TaskDraft = { prompt, model, minutes, ...passing };
  const problems = problemsOf(draft, create.error);
  const isReady = prompt.trim() !== "" && !problems.isCertain && !create.isPending;
  // Nobody finds what is wrong in a place that is closed.
  const isOpen = hasOptions || problems.isInOptions;

  /** What the gateway said was about what stood there before. */
  const forget = () => {
    if (create.error) create.reset();
  };
  const change = ({ folder, variables, ...kept }: Partial<Options>) => {
    forget();
    // What was opened for a problem stays open when that is solved.
    setOptions(true);
    setPassing({ folder: folder ?? passing.folder, variables: variables ?? passing.variables });
    if (Object.keys(kept).length > 0) changeComposer(server, kept);
  };

  const submit = () => {
    // A second touch may come before the button knows of the first one, and would be a second task.
    if (!isReady || isSent.current) return;
    isSent.current = true;
    create.mutate(taskOf(draft, repository), {
      onSuccess: ({ task_id: id }) => {
        remember(server, prompt);
        changeComposer(server, { draft: "" });
        setPassing(none);
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
      {repositories.error && !repositories.data && <Problem title={t.composer.repositoriesFailed} error={repositories.error} onRetry={() => void repositories.refetch()} />}
      {repositories.data?.length === 0 && <Text tone="warn">{t.composer.noRepositories}</Text>}
      {/* Dictation and the system's own corrections are left as people have set them: prompts are prose. */}
      <Field
        label={t.composer.prompt}
        placeholder={t.composer.placeholder}
        value={prompt}
        onChangeText={(draft) => {
          forget();
          changeComposer(server, { draft });
        }}
        problem={problems.prompt}
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
        onChange={(path) => {
          forget();
          changeComposer(server, { repository: path });
        }}
        isDisabled={known.length === 0}
      />
      <Button title={`${isOpen ? "▾" : "▸"} ${t.composer.options}`} label={t.composer.options} kind="quiet" aria-expanded={isOpen} onPress={() => setOptions(!isOpen)} style={styles.left} />
      {isOpen && <OptionFields options={{ ...passing, model, minutes }} onChange={change} repository={repository} problems={problems} />}
      {/* Beside the button, where the eye and the finger are. */}
      {create.error && <Problem title={t.composer.failed} error={create.error} />}
      <Button title={create.isPending ? t.composer.submitting : t.composer.submit} kind="primary" isDisabled={!isReady} onPress={submit} style={styles.submit} />
      <RecentPrompts server={server} />
    </View>
  );
}

const styles = StyleSheet.create({
  form: { gap: space.m },
  prompt: { minHeight: 140 },
  left: { alignSelf: "flex-start", paddingHorizontal: space.xs },
  submit: { minHeight: 56 },
});
