import { type PatchFile, applyCommand, modeOf, parsePatch, pieceOf } from "@codex-remote/view";
import { useEffect, useMemo, useState } from "react";
import { BackHandler, FlatList, Platform, Pressable, ScrollView, StyleSheet, View } from "react-native";

import { ActionButton, CopyButton } from "@/live/action-button";
import { handOver } from "@/live/hand-over";
import { usePatch } from "@/queries";
import { Notice, Problem, Warning } from "@/ui/notice";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";
import { Counts } from "./counts";
import { FileDiff } from "./file-diff";
import { t } from "./strings";

/** The files that a task changed, and one of them at a time: a small screen has no room for more. */
export function ChangesPanel({ id, isFinal }: { id: string; isFinal: boolean }) {
  const query = usePatch(id, isFinal);
  const text = query.data?.patch;
  const files = useMemo(() => (text ? parsePatch(text) : []), [text]);
  const [open, setOpen] = useState<number | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const isOpen = open !== null;
  useEffect(() => {
    if (!isOpen || Platform.OS !== "android") return;
    // The way back leads from a file to the files first.
    const subscription = BackHandler.addEventListener("hardwareBackPress", () => {
      setOpen(null);
      return true;
    });
    return () => subscription.remove();
  }, [isOpen]);
  if (!isFinal) return <Notice title={t.diff.notYet} text={t.diff.notYetText} />;
  if (query.data === undefined) return query.error ? <Problem title={t.diff.failed} error={query.error} onRetry={() => void query.refetch()} /> : <Notice title={t.diff.loading} />;
  if (query.data === null || (query.data.patch.trim() === "" && !query.data.truncated)) return <Notice title={t.diff.none} text={t.diff.noneText} />;
  const { patch, truncated } = query.data;
  const file = open === null ? undefined : files[open];
  const list = (
    <FlatList
      data={files}
      keyExtractor={(_, index) => String(index)}
      contentContainerStyle={styles.list}
      ListHeaderComponent={
        <View style={styles.head}>
          <View style={styles.counts}>
            <Text kind="strong">{t.diff.summary(files.length)}</Text>
            <Counts added={sum(files, "added")} removed={sum(files, "removed")} />
          </View>
          <ScrollView horizontal showsHorizontalScrollIndicator={false} contentContainerStyle={styles.buttons}>
            <ActionButton title={t.sharePatch} done={t.shared} run={() => handOver(patch, `${id}.patch`, "text/x-diff")} onProblem={setFailure} />
            <CopyButton title={t.diff.copyPatch} text={() => patch} onProblem={setFailure} />
            <CopyButton title={t.diff.copyApply} text={() => applyCommand(patch)} onProblem={setFailure} />
          </ScrollView>
          {failure !== null && <Problem title={t.shareFailed} error={failure} />}
          {truncated && <Warning text={t.diff.truncated} />}
          {files.length === 0 && patch.trim() !== "" && <Warning text={t.diff.unknown} />}
        </View>
      }
      renderItem={({ item, index }) => <FileRow file={item} onPress={() => setOpen(index)} />}
    />
  );
  return (
    <>
      {/* It stays, unseen, so that who comes back finds it where it was left. */}
      <View style={file ? styles.away : styles.here}>{list}</View>
      {file && open !== null && <FileDiff key={open} file={file} at={open} of={files.length} next={files[open + 1]?.path.split("/").at(-1) ?? null} piece={() => pieceOf(patch, file)} onGo={setOpen} />}
    </>
  );
}

function FileRow({ file, onPress }: { file: PatchFile; onPress: () => void }) {
  const colors = useColors();
  const slash = file.path.lastIndexOf("/") + 1;
  const mode = modeOf(file);
  const from = file.oldPath && t.fromFile(file.oldPath);
  return (
    <Pressable role="button" testID="file" onPress={onPress} style={({ pressed }) => [styles.file, { borderColor: colors.line }, pressed && { backgroundColor: colors.sunken }]}>
      <View style={styles.name}>
        <Text kind="mono">{file.path.slice(slash)}</Text>
        {slash > 0 && (
          <Text kind="small" tone="soft">
            {file.path.slice(0, slash)}
          </Text>
        )}
        {from && (
          <Text kind="small" tone="soft">
            {from}
          </Text>
        )}
        {mode && (
          <Text kind="small" tone="warn">
            {mode}
          </Text>
        )}
      </View>
      <Text kind="small" tone="soft">
        {t.diff.kinds[file.kind]}
      </Text>
      <Counts added={file.added} removed={file.removed} />
    </Pressable>
  );
}

const sum = (files: PatchFile[], what: "added" | "removed") => files.reduce((total, file) => total + file[what], 0);

const styles = StyleSheet.create({
  here: { flex: 1 },
  away: { display: "none" },
  list: { paddingVertical: space.m },
  head: { gap: space.m, paddingBottom: space.m },
  counts: { flexDirection: "row", alignItems: "center", gap: space.m },
  buttons: { gap: space.s },
  file: { minHeight: TOUCH, flexDirection: "row", alignItems: "center", gap: space.m, paddingVertical: space.s, paddingHorizontal: space.s, borderBottomWidth: StyleSheet.hairlineWidth },
  name: { flex: 1 },
});
