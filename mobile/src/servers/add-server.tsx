import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Platform, StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Problem } from "@/ui/notice";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";
import { findServer } from "./find";
import { meetServer } from "./session";

/** A page that a gateway serves knows where the gateway is. */
const here = Platform.OS === "web" ? location.origin : "";

/** Asks for an address, and turns to the gateway there. */
export function AddServer({ onAdded }: { onAdded?: () => void }) {
  const [typed, setTyped] = useState(here);
  const find = useMutation({
    mutationFn: () => findServer(typed),
    networkMode: "always",
    onSuccess: async ({ url }) => {
      await meetServer(url);
      onAdded?.();
    },
  });
  const submit = () => {
    if (typed.trim() && !find.isPending) find.mutate();
  };
  return (
    <View style={styles.form}>
      <Text tone="soft">{t.servers.text}</Text>
      {find.error && <Problem error={find.error} />}
      <Field
        label={t.servers.address}
        placeholder={t.servers.addressHint}
        value={typed}
        onChangeText={setTyped}
        onSubmitEditing={submit}
        inputMode="url"
        autoCapitalize="none"
        autoCorrect={false}
        autoComplete="url"
        returnKeyType="go"
        testID="server-address"
      />
      <Button title={find.isPending ? t.servers.finding : t.servers.find} kind="primary" isDisabled={!typed.trim() || find.isPending} onPress={submit} />
    </View>
  );
}

const styles = StyleSheet.create({ form: { gap: space.m } });
