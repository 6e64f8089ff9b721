import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Modal, Platform, ScrollView, StyleSheet, View } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { t } from "@/strings";
import { Button } from "./button";
import { useIsCovered } from "./covered";
import { Problem } from "./notice";
import { Text } from "./text";
import { space, useColors } from "./theme";

/** Stands over everything else until it is closed. */
export function Dialog({ isOpen, onClose, title, children }: { isOpen: boolean; onClose: () => void; title: string; children: ReactNode }) {
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const isCovered = useIsCovered();
  return (
    <Modal visible={isOpen && !isCovered} transparent animationType="none" onRequestClose={onClose} supportedOrientations={["portrait", "portrait-upside-down", "landscape"]} {...outer(title)}>
      <View style={[styles.ground, { backgroundColor: colors.shade, paddingBottom: insets.bottom + space.l, paddingTop: insets.top + space.l, paddingLeft: insets.left + space.l, paddingRight: insets.right + space.l }]}>
        {/* For fingers; screen readers and keyboards have the buttons. No `Pressable`, which would take the focus that belongs to the title. */}
        <View style={StyleSheet.absoluteFill} onStartShouldSetResponder={yes} onResponderRelease={onClose} aria-hidden />
        <View {...inner(title)} style={[styles.box, { backgroundColor: colors.ground, borderColor: colors.line }]}>
          <ScrollView contentContainerStyle={styles.content} keyboardShouldPersistTaps="handled">
            {/* The first that can have the focus gets it: what the dialog is about, and not the button that deletes. */}
            <View tabIndex={-1} style={styles.unframed}>
              <Text kind="heading">{title}</Text>
            </View>
            {children}
          </ScrollView>
        </View>
      </View>
    </Modal>
  );
}

const yes = () => true;

/** In a page `Modal` is a dialog already, and needs a name only; on a phone it is none, and its content has to be. */
const outer = (title: string): object => (Platform.OS === "web" ? { "aria-label": title } : {});
const inner = (title: string): object => (Platform.OS === "web" ? {} : { role: "dialog", "aria-modal": true, "aria-label": title });

export interface ConfirmProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  text: string;
  /** What is done, as a button. */
  action: string;
  /** What is done in its place. */
  keep?: string;
  isDangerous?: boolean;
  run: () => unknown;
}

/** Asks before something that cannot be taken back; stays open with the reason where it fails. */
export function ConfirmDialog({ isOpen, onClose, title, text, action, keep = t.cancel, isDangerous = true, run }: ConfirmProps) {
  const { mutate, reset, isPending, error } = useMutation({ mutationFn: () => Promise.resolve(run()), networkMode: "always", onSuccess: onClose });
  const close = () => {
    reset();
    onClose();
  };
  return (
    <Dialog isOpen={isOpen} onClose={close} title={title}>
      <Text>{text}</Text>
      {error && <Problem error={error} />}
      <Button title={isPending ? t.working : action} kind={isDangerous ? "danger" : "primary"} isDisabled={isPending} onPress={() => mutate()} />
      <Button title={keep} onPress={close} />
    </Dialog>
  );
}

const styles = StyleSheet.create({
  ground: { flex: 1, justifyContent: "center" },
  box: { maxHeight: "100%", width: "100%", maxWidth: 480, alignSelf: "center", borderRadius: 16, borderWidth: 1, overflow: "hidden" },
  unframed: { outlineStyle: "none" as "solid" },
  content: { padding: space.l, gap: space.m },
});
