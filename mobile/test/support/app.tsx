import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render } from "@testing-library/react-native";
import type { ReactElement } from "react";
import { SafeAreaProvider } from "react-native-safe-area-context";

import { forgetQueries } from "@/queries";
import { clientFor, forgetClients } from "@/servers/client";
import { ServerProvider } from "@/servers/context";
import { addServer, listServers, dropServer } from "@/servers/servers";
import { signIn } from "@/servers/session";
import { AppTheme } from "@/ui/theme";

/** Waits for what happens in the background: nobody measures how long that takes here. */
export const patient = { timeout: 20_000 };

export const SERVER = "https://codex.example.com";

/** What stands around every screen. */
export function draw(screen: ReactElement) {
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: Infinity }, mutations: { gcTime: Infinity } } });
  return render(
    <SafeAreaProvider>
      <QueryClientProvider client={queries}>
        <AppTheme>{screen}</AppTheme>
      </QueryClientProvider>
    </SafeAreaProvider>,
  );
}

/** The same, for somebody who is signed in at `SERVER`. */
export const drawSignedIn = (screen: ReactElement) => draw(<ServerProvider url={SERVER}>{screen}</ServerProvider>);

export async function signedIn(url = SERVER): Promise<void> {
  addServer(url);
  await signIn(url, "ada@example.com", "right");
}

/** As if the app had just been installed. */
export function startAnew(): void {
  for (const { url } of listServers()) {
    forgetQueries(url);
    dropServer(url);
  }
  forgetClients();
}

export { clientFor };
