import type { ReactNode } from "react";
import { KeyboardAvoidingView, ScrollView, StyleSheet, View } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { MEASURE, space, useColors } from "./theme";

/** A screen that scrolls as a whole, clear of notches and of the keyboard. */
export function Screen({ children }: { children: ReactNode }) {
  const colors = useColors();
  const insets = useSafeAreaInsets();
  return (
    // Android does not make room for the keyboard by itself either, since windows reach from edge to edge.
    <KeyboardAvoidingView style={[styles.fill, { backgroundColor: colors.ground }]} behavior="padding">
      <ScrollView
        style={styles.fill}
        contentContainerStyle={[styles.content, { paddingTop: insets.top + space.l, paddingBottom: insets.bottom + space.xl, paddingLeft: insets.left + space.l, paddingRight: insets.right + space.l }]}
        keyboardShouldPersistTaps="handled"
        keyboardDismissMode="interactive"
      >
        <View role="main" style={styles.column}>
          {children}
        </View>
      </ScrollView>
    </KeyboardAvoidingView>
  );
}

const styles = StyleSheet.create({
  fill: { flex: 1 },
  content: { flexGrow: 1 },
  column: { width: "100%", maxWidth: MEASURE, alignSelf: "center", gap: space.l },
});
