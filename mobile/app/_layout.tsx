import { QueryClient, QueryClientProvider, useQueryClient } from "@tanstack/react-query";
import { type ErrorBoundaryProps, Slot, Stack, usePathname, useRouter } from "expo-router";
import { StatusBar } from "expo-status-bar";
import { useEffect, useState } from "react";
import { Platform, StyleSheet, View } from "react-native";
import { SafeAreaProvider } from "react-native-safe-area-context";

import { SidePane } from "@/frame/side-pane";
import { wireQueries } from "@/live/wire-queries";
import { Lock } from "@/lock/lock";
import { useNotices } from "@/notices/use-notices";
import { useOffline } from "@/offline/use-offline";
import { useServerUrl } from "@/servers/context";
import { Gate } from "@/servers/gate";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Beside } from "@/ui/edges";
import { Problem } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { AppTheme, useColors, useIsWide, useTheme } from "@/ui/theme";

export const unstable_settings = { initialRouteName: "(tabs)" };

export default function RootLayout() {
  // A window of the sign-in belongs to somebody who is not signed in yet.
  const isWindow = usePathname() === "/signed-in" && Platform.OS === "web";
  // For what happens before there is a server; each server has a client of its own.
  const [queries] = useState(() => new QueryClient({ defaultOptions: { mutations: { networkMode: "always" } } }));
  return (
    <SafeAreaProvider>
      <QueryClientProvider client={queries}>
        <AppTheme>
          <Bars />
          {isWindow ? (
            <Slot />
          ) : (
            <Lock>
              <Gate>
                <Screens />
              </Gate>
            </Lock>
          )}
        </AppTheme>
      </QueryClientProvider>
    </SafeAreaProvider>
  );
}

/** On a tablet the list stands beside everything else. */
function Screens() {
  const colors = useColors();
  const isWide = useIsWide();
  const router = useRouter();
  const open = usePathname().match(/^\/task\/([^/]+)/)?.[1] ?? null;
  const server = useServerUrl();
  useNotices();
  useEffect(wireQueries, []);
  const isRestored = useOffline(server, useQueryClient());
  // With what was kept there is something to show until the gateway answers; looking for it takes no time that anybody sees.
  if (!isRestored) return <View style={[styles.fill, { backgroundColor: colors.ground }]} />;
  return (
    <View style={[styles.row, { backgroundColor: colors.ground }]}>
      {isWide && (
        <Beside inner="right">
          <SidePane selected={open} onOpen={(id) => (open ? router.replace(`/task/${id}`) : router.push(`/task/${id}`))} />
        </Beside>
      )}
      <View style={styles.fill}>
        <Beside inner={isWide ? "left" : null}>
          <Stack screenOptions={{ headerShown: false, contentStyle: { backgroundColor: colors.ground } }} />
        </Beside>
      </View>
    </View>
  );
}

function Bars() {
  const { isDark } = useTheme();
  return <StatusBar style={isDark ? "light" : "dark"} />;
}

/** What a screen throws while it is drawn ends here, and not the app. */
export function ErrorBoundary({ error, retry }: ErrorBoundaryProps) {
  return (
    <SafeAreaProvider>
      <AppTheme>
        <Screen>
          <Problem title={t.problem.crashed} error={error} />
          <Button title={t.retry} onPress={() => void retry()} />
        </Screen>
      </AppTheme>
    </SafeAreaProvider>
  );
}

const styles = StyleSheet.create({ row: { flex: 1, flexDirection: "row" }, fill: { flex: 1 } });
