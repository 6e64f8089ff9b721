import { MOST_VARIABLES, type Variable, isCredential, oneMore } from "@codex-remote/view";
import { useState } from "react";
import { Platform, StyleSheet, type TextInputProps, View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";

interface EnvFieldsProps {
  variables: Variable[];
  onChange: (variables: Variable[]) => void;
  /** What is wrong, by the keys of the variables. */
  problems: ReadonlyMap<number, string>;
  /** What is wrong with all of them together. */
  problem: string | null;
}

/** Variables of the task, as many as people like. What they say lives in this form only. */
export function EnvFields({ variables, onChange, problems, problem }: EnvFieldsProps) {
  return (
    <View role="group" aria-label={t.composer.env} style={styles.group}>
      <View style={styles.words}>
        <Text kind="strong">{t.composer.env}</Text>
        <Text kind="small" tone="soft">
          {t.composer.envHint}
        </Text>
      </View>
      {variables.map((variable) => (
        <EnvField
          key={variable.key}
          variable={variable}
          problem={problems.get(variable.key) ?? null}
          onChange={(change) => onChange(variables.map((row) => (row.key === variable.key ? { ...row, ...change } : row)))}
          onRemove={() => onChange(variables.filter((row) => row.key !== variable.key))}
        />
      ))}
      {problem && (
        <Text kind="small" tone="bad" role="alert">
          {problem}
        </Text>
      )}
      <Button title={t.composer.envAdd} isDisabled={variables.length >= MOST_VARIABLES} onPress={() => onChange(oneMore(variables))} style={styles.left} />
    </View>
  );
}

/** Nothing corrects, suggests, fills in or learns what is typed here; keyboards of Android leave off learning only where they are told of a password. */
const asIs: TextInputProps = {
  autoCapitalize: "none",
  autoCorrect: false,
  spellCheck: false,
  autoComplete: "off",
  textContentType: "none",
  importantForAutofill: "no",
  ...(Platform.OS === "android" && { keyboardType: "visible-password" }),
};

interface EnvFieldProps {
  variable: Variable;
  problem: string | null;
  onChange: (change: Partial<Variable>) => void;
  onRemove: () => void;
}

function EnvField({ variable: { name, value }, problem, onChange, onRemove }: EnvFieldProps) {
  const colors = useColors();
  const [isShown, setShown] = useState(false);
  // People look over shoulders on a bus. What is no credential is easier to type when it can be read.
  const isSecret = isCredential(name);
  return (
    <View style={[styles.variable, { borderColor: colors.line }]}>
      <Field label={t.composer.envName} value={name} onChangeText={(name) => onChange({ name })} problem={problem} {...asIs} />
      <Field
        label={name.trim() ? t.composer.envValueOf(name.trim()) : t.composer.envValue}
        value={value}
        onChangeText={(value) => onChange({ value })}
        {...asIs}
        {...(isSecret && !isShown && { secureTextEntry: true, keyboardType: "default" })}
      />
      {isSecret && (
        <Text kind="small" tone="warn" role="status">
          {t.composer.envCredential}
        </Text>
      )}
      <View style={styles.buttons}>
        {isSecret && <Button kind="quiet" title={isShown ? t.composer.envHide : t.composer.envShow} aria-expanded={isShown} onPress={() => setShown(!isShown)} />}
        <Button kind="quiet" title={t.composer.remove} label={t.composer.envRemove(name.trim())} onPress={onRemove} />
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  group: { gap: space.m },
  words: { gap: space.xs },
  variable: { gap: space.s, padding: space.m, paddingBottom: space.xs, borderWidth: 1, borderRadius: 10 },
  buttons: { flexDirection: "row", flexWrap: "wrap", justifyContent: "flex-end" },
  left: { alignSelf: "flex-start" },
});
