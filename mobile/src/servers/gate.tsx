import { type ReactNode, useState } from "react";
import { View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Screen } from "@/ui/screen";
import { Text } from "@/ui/text";
import { AddServer } from "./add-server";
import { ServerProvider } from "./context";
import { ServerList } from "./server-list";
import { useCurrentServer, useServers } from "./servers";
import { SignIn } from "./sign-in";

/**
 * Lets whoever is signed in through. In place of the screens, not beside them: where a link led to is still there after the sign-in, and another
 * server starts with screens of its own.
 */
export function Gate({ children }: { children: ReactNode }) {
  const server = useCurrentServer();
  const servers = useServers();
  const [isAdding, setAdding] = useState(false);
  if (!server) {
    return (
      <Screen>
        <Text kind="title">{t.servers.title}</Text>
        <AddServer />
      </Screen>
    );
  }
  if (server.isSignedIn) {
    return (
      <ServerProvider key={server.url} url={server.url}>
        {children}
      </ServerProvider>
    );
  }
  // Outside of what belongs to a session, which the sign-out may still be removing.
  return (
    <Screen key={server.url}>
      <SignIn url={server.url} email={server.email} hasEnded={server.hasEnded} />
      {servers.length > 1 && (
        <View>
          <Text kind="heading">{t.servers.known}</Text>
          <ServerList />
        </View>
      )}
      {isAdding ? <AddServer onAdded={() => setAdding(false)} /> : <Button title={t.servers.other} kind="quiet" onPress={() => setAdding(true)} />}
    </Screen>
  );
}
