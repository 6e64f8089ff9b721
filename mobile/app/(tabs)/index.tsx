import { useRouter } from "expo-router";
import { StyleSheet, View } from "react-native";

import { ComposeScreen } from "@/composer/compose-screen";
import { History } from "@/history/history";
import { useGoal } from "@/links/goal";
import { useIsWide } from "@/ui/theme";

export default function Home() {
  const router = useRouter();
  const isWide = useIsWide();
  useGoal();
  // The list is in the side pane then.
  if (isWide) return <ComposeScreen />;
  return (
    <View role="main" style={styles.fill}>
      <History onOpen={({ task_id: id }) => router.push(`/task/${id}`)} onCompose={() => router.navigate("/new")} />
    </View>
  );
}

const styles = StyleSheet.create({ fill: { flex: 1 } });
