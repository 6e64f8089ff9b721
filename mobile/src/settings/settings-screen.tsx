import Constants from "expo-constants";
import { useEffect, useState } from "react";
import { StyleSheet, View } from "react-native";

import { changeComposer, useComposer } from "@/composer/kept";
import { biometrics } from "@/platform/biometrics";
import { notifications } from "@/platform/notifications";
import { useRepositories } from "@/queries";
import { AddServer } from "@/servers/add-server";
import { nameOf } from "@/servers/address";
import { useServerUrl } from "@/servers/context";
import { ServerList } from "@/servers/server-list";
import { signOut } from "@/servers/session";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Choice } from "@/ui/choice";
import { ConfirmDialog } from "@/ui/dialog";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";
import { SwitchRow } from "@/ui/switch-row";
import { type Theme, changeSettings, useSettings } from "./settings";

const themes = (Object.entries(t.settings.themes) as [Theme, string][]).map(([value, name]) => ({ value, name }));

export function SettingsScreen() {
  const server = useServerUrl();
  const settings = useSettings();
  const { repository } = useComposer(server);
  const repositories = useRepositories();
  const [isLeaving, setLeaving] = useState(false);
  const [isAdding, setAdding] = useState(false);
  const known = repositories.data ?? [];
  const isKnown = known.some(({ path }) => path === repository);
  return (
    <>
      <Text kind="title">{t.settings.title}</Text>
      <Choice label={t.settings.theme} options={themes} value={settings.theme} onChange={(theme) => changeSettings({ theme })} />
      <Choice
        label={t.settings.repository}
        options={[{ value: "", name: t.settings.repositoryAuto }, ...known.map(({ path, name, description }) => ({ value: path, name, text: description ?? path }))]}
        value={isKnown ? repository : ""}
        onChange={(path) => changeComposer(server, { repository: path })}
      />
      {notifications && <NotifySwitch />}
      {biometrics && <LockSwitch />}
      <View style={styles.part}>
        <Text kind="heading">{t.servers.known}</Text>
        <ServerList />
        {isAdding ? <AddServer onAdded={() => setAdding(false)} /> : <Button title={t.servers.add} onPress={() => setAdding(true)} />}
      </View>
      <Button title={t.settings.signOut} kind="danger" onPress={() => setLeaving(true)} />
      <ConfirmDialog isOpen={isLeaving} onClose={() => setLeaving(false)} title={t.settings.signOutTitle(nameOf(server))} text={t.settings.signOutText} action={t.settings.signOut} run={() => signOut(server)} />
      <Text kind="small" tone="soft">
        {t.settings.version(Constants.expoConfig?.version ?? "")}
      </Text>
    </>
  );
}

/** Nothing is asked of the system before somebody wants notifications. */
function NotifySwitch() {
  const { notify } = useSettings();
  const [isDenied, setDenied] = useState(false);
  const change = async (isOn: boolean) => {
    const isAllowed = !isOn || ((await notifications?.allow()) ?? false);
    setDenied(!isAllowed);
    changeSettings({ notify: isOn && isAllowed });
  };
  return <SwitchRow label={t.settings.notify} hint={isDenied ? t.settings.notifyDenied : t.settings.notifyHint} isOn={notify} onChange={(isOn) => void change(isOn)} />;
}

/** Turning it on or off takes what it asks for. */
function LockSwitch() {
  const { lock } = useSettings();
  const [isThere, setThere] = useState(true);
  useEffect(() => {
    void biometrics?.isThere().then(setThere);
  }, []);
  const change = async (isOn: boolean) => {
    if (await biometrics?.ask(t.lock.reason)) changeSettings({ lock: isOn });
  };
  return <SwitchRow label={t.settings.lock} hint={isThere ? t.settings.lockHint : t.settings.lockUnavailable} isOn={lock} onChange={(isOn) => void change(isOn)} isDisabled={!isThere} />;
}

const styles = StyleSheet.create({ part: { gap: space.s } });
