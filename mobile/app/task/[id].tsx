import { useLocalSearchParams, useRouter } from "expo-router";
import { StyleSheet, View } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { useLooking } from "@/notices/use-notices";
import { useServerUrl } from "@/servers/context";
import { t } from "@/task/strings";
import { TaskScreen } from "@/task/task-screen";
import { Button } from "@/ui/button";
import { space, useColors } from "@/ui/theme";

export default function TaskRoute() {
  const { id } = useLocalSearchParams<{ id: string }>();
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const router = useRouter();
  useLooking(useServerUrl(), id);
  return (
    <View role="main" style={[styles.screen, { backgroundColor: colors.ground, paddingTop: insets.top, paddingBottom: insets.bottom }]}>
      <Button title={`‹ ${t.problem.back}`} label={t.problem.back} kind="quiet" style={styles.back} onPress={() => router.dismissTo("/")} />
      <TaskScreen id={id} />
    </View>
  );
}

const styles = StyleSheet.create({ screen: { flex: 1 }, back: { alignSelf: "flex-start", paddingHorizontal: space.l } });
