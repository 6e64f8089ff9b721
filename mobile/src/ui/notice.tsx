import { APIError } from "@codex-remote/sdk";
import { type ReactNode, useEffect } from "react";
import { AccessibilityInfo, Platform, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "./button";
import { Text } from "./text";
import { space, useColors } from "./theme";

/** Something to know, in the middle of an empty place. It is of level 1 where it is all that a screen has. */
export function Notice({ title, text, level = 2, children }: { title: string; text?: string; level?: 1 | 2; children?: ReactNode }) {
  return (
    <View style={styles.notice}>
      <Text kind="heading" aria-level={level} style={styles.centered}>
        {title}
      </Text>
      {text && (
        <Text tone="soft" style={styles.centered}>
          {text}
        </Text>
      )}
      {children}
    </View>
  );
}

/** What went wrong, and what can be done. Requests carry a number by which the gateway's log finds them. */
export function Problem({ title, error, onRetry }: { title?: string; error: unknown; onRetry?: () => void }) {
  const colors = useColors();
  const message = error instanceof Error ? error.message : String(error);
  const id = error instanceof APIError ? error.requestId : null;
  const said = [title, message].filter(Boolean).join(". ");
  useEffect(() => {
    // Pages and Android read out what appears in such a place; iOS has none.
    if (Platform.OS === "ios") AccessibilityInfo.announceForAccessibility(said);
  }, [said]);
  return (
    <View role="alert" aria-live="assertive" style={[styles.problem, { backgroundColor: colors.badGround }]}>
      {title && (
        <Text kind="strong" tone="bad">
          {title}
        </Text>
      )}
      <Text>{message}</Text>
      {id && (
        <Text kind="small" tone="soft" selectable>
          {t.problem.requestId(id)}
        </Text>
      )}
      {onRetry && <Button title={t.retry} onPress={onRetry} />}
    </View>
  );
}

/** A line that stays in sight: something to be careful about. `aging` stands before it and is not read out each time that it changes. */
export function Warning({ text, aging }: { text: string; aging?: string }) {
  const colors = useColors();
  return (
    <View style={[styles.problem, { backgroundColor: colors.warnGround }]}>
      {aging && (
        <Text kind="small" tone="warn">
          {aging}
        </Text>
      )}
      <View role="status" aria-live="polite">
        <Text kind="small" tone="warn">
          {text}
        </Text>
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  notice: { padding: space.xl, gap: space.m, alignItems: "center" },
  centered: { textAlign: "center" },
  problem: { padding: space.m, gap: space.s, borderRadius: 10 },
});
