import { useState } from "react";
import { Pressable, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { Text } from "@/ui/text";
import { TOUCH, space, useColors } from "@/ui/theme";
import { nameOf } from "./address";
import { type Server, chooseServer, useCurrentServer, useServers } from "./servers";
import { removeServer } from "./session";

/** The servers that this device knows: to turn to another one, or to forget one. */
export function ServerList() {
  const servers = useServers();
  const current = useCurrentServer();
  const [leaving, setLeaving] = useState<string | null>(null);
  return (
    <View>
      {servers.map((server) => (
        <Row key={server.url} server={server} isCurrent={server.url === current?.url} onRemove={() => setLeaving(server.url)} />
      ))}
      <ConfirmDialog
        isOpen={leaving !== null}
        onClose={() => setLeaving(null)}
        title={t.servers.removeTitle(leaving ? nameOf(leaving) : "")}
        text={t.servers.removeText}
        action={t.servers.remove}
        run={() => leaving && removeServer(leaving)}
      />
    </View>
  );
}

function Row({ server, isCurrent, onRemove }: { server: Server; isCurrent: boolean; onRemove: () => void }) {
  const colors = useColors();
  const name = nameOf(server.url);
  const state = [server.isSignedIn ? t.servers.signedIn(server.email) : t.servers.signedOut, isCurrent && t.servers.current].filter(Boolean).join(" · ");
  return (
    <View style={[styles.row, { borderColor: colors.line }]}>
      <Pressable role="button" onPress={() => chooseServer(server.url)} style={styles.words}>
        <Text kind={isCurrent ? "strong" : "body"}>{name}</Text>
        <Text kind="small" tone="soft">
          {state}
        </Text>
      </Pressable>
      <Button title={t.servers.remove} label={t.servers.removeOf(name)} kind="quiet" onPress={onRemove} />
    </View>
  );
}

const styles = StyleSheet.create({
  row: { flexDirection: "row", flexWrap: "wrap", alignItems: "center", gap: space.s, borderBottomWidth: StyleSheet.hairlineWidth },
  words: { flex: 1, minWidth: 180, minHeight: TOUCH, justifyContent: "center", paddingVertical: space.s },
});
