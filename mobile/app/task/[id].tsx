import { useLocalSearchParams, useRouter } from "expo-router";
import { StyleSheet, View } from "react-native";
import { useSafeAreaInsets } from "react-native-safe-area-context";

import { useArrived } from "@/links/goal";
import { useLooking } from "@/notices/use-notices";
import { useServerUrl } from "@/servers/context";
import { TaskScreen } from "@/task/task-screen";
import { useColors, useIsWide } from "@/ui/theme";

export default function TaskRoute() {
  const { id } = useLocalSearchParams<{ id: string }>();
  const colors = useColors();
  const insets = useSafeAreaInsets();
  const router = useRouter();
  const isWide = useIsWide();
  useArrived(`/task/${id}`);
  useLooking(useServerUrl(), id);
  return (
    <View role="main" style={[styles.screen, { backgroundColor: colors.ground, paddingTop: insets.top, paddingBottom: insets.bottom, paddingLeft: insets.left, paddingRight: insets.right }]}>
      <TaskScreen id={id} onBack={isWide ? undefined : () => router.dismissTo("/")} />
    </View>
  );
}

const styles = StyleSheet.create({ screen: { flex: 1 } });
