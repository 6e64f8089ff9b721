import { useEffect, useRef } from "react";
import { AccessibilityInfo, Platform, StyleSheet } from "react-native";

import { Text } from "./text";

/** Says to whoever listens to the screen what they would have to look for otherwise. Only what changes is said: a screen that opens is read out anyway. */
export function Announce({ text }: { text: string }) {
  const said = useRef(text);
  useEffect(() => {
    if (said.current === text) return;
    said.current = text;
    // Browsers watch the element below for themselves.
    if (Platform.OS !== "web") AccessibilityInfo.announceForAccessibility(text);
  }, [text]);
  if (Platform.OS !== "web") return null;
  return (
    <Text role="status" testID="announced" style={styles.unseen}>
      {text}
    </Text>
  );
}

const styles = StyleSheet.create({ unseen: { position: "absolute", width: 1, height: 1, overflow: "hidden", opacity: 0, pointerEvents: "none" } });
