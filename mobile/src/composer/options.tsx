import type { Repository } from "@codex-remote/sdk";
import { type TaskDraft, limitOf } from "@codex-remote/view";
import { StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Field } from "@/ui/field";
import { space } from "@/ui/theme";
import { EnvFields } from "./env-fields";
import type { Problems } from "./problems";

/** What most tasks do without. */
export type Options = Pick<TaskDraft, "folder" | "model" | "minutes"> & { variables: TaskDraft["variables"] };

interface OptionFieldsProps {
  options: Options;
  onChange: (change: Partial<Options>) => void;
  repository: Repository | undefined;
  problems: Problems;
}

export function OptionFields({ options: { folder, model, minutes, variables }, onChange, repository, problems }: OptionFieldsProps) {
  return (
    <View style={styles.fields} testID="options">
      <Field label={t.composer.folder} placeholder={t.composer.folderHint} value={folder} onChangeText={(folder) => onChange({ folder })} problem={problems.folder} {...asIs} />
      <Field label={t.composer.model} placeholder={repository?.model ?? t.composer.modelHint} value={model} onChangeText={(model) => onChange({ model })} problem={problems.model} {...asIs} />
      <Field
        label={t.composer.minutes}
        placeholder={t.composer.minutesHint(limitOf(repository))}
        value={minutes}
        onChangeText={(minutes) => onChange({ minutes })}
        problem={problems.minutes}
        inputMode="decimal"
      />
      <EnvFields variables={[...variables]} onChange={(variables) => onChange({ variables })} problems={problems.env} problem={problems.allEnv} />
    </View>
  );
}

/** Names, which nothing may correct. */
const asIs = { autoCapitalize: "none", autoCorrect: false, spellCheck: false, autoComplete: "off" } as const;

const styles = StyleSheet.create({ fields: { gap: space.m } });
