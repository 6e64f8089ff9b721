import { type SignInMethods } from "@codex-remote/sdk";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState, useSyncExternalStore } from "react";
import { StyleSheet, View } from "react-native";

import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Problem, Warning } from "@/ui/notice";
import { Text } from "@/ui/text";
import { space } from "@/ui/theme";
import { isPlain, nameOf } from "./address";
import { askMethods } from "./find";
import { signIn } from "./session";
import { onArrival, readArrival, signInWithProvider } from "./sso";

/** What a gateway offers that cannot be asked now. */
const UNKNOWN: SignInMethods = { password: true, oidc: null };

/** Signs in at a server that is known. */
export function SignIn({ url, email, hasEnded = false }: { url: string; email: string; hasEnded?: boolean }) {
  const methods = useQuery({ queryKey: ["methods", url], queryFn: ({ signal }) => askMethods(url, signal), networkMode: "always", retry: 1 });
  const { password, oidc } = methods.data ?? UNKNOWN;
  return (
    <View style={styles.form}>
      <Text kind="title">{t.signIn.title}</Text>
      <Text tone="soft">{nameOf(url)}</Text>
      {hasEnded && <Warning text={t.signIn.ended} />}
      {isPlain(url) && <Warning text={t.servers.plainWarning} />}
      {methods.isPending ? (
        <Text tone="soft" role="status">
          {t.loading}
        </Text>
      ) : (
        <>
          {methods.error && <Problem error={methods.error} onRetry={() => void methods.refetch()} />}
          {oidc && <WithProvider url={url} name={oidc.name} />}
          {oidc && password && (
            <Text tone="soft" style={styles.or}>
              {t.sso.or}
            </Text>
          )}
          {password && <WithPassword url={url} known={email} isFirst={!oidc} />}
        </>
      )}
    </View>
  );
}

function WithProvider({ url, name }: { url: string; name: string }) {
  const login = useMutation({ mutationFn: () => signInWithProvider(url), networkMode: "always" });
  const arrival = useSyncExternalStore(onArrival, readArrival, readArrival);
  const problem = login.error ?? arrival.problem;
  const isPending = login.isPending || arrival.isPending;
  return (
    <>
      {problem && <Problem error={problem} />}
      <Button title={isPending ? t.sso.leaving : t.sso.with(name)} kind="primary" isDisabled={isPending} onPress={() => login.mutate()} />
    </>
  );
}

function WithPassword({ url, known, isFirst }: { url: string; known: string; isFirst: boolean }) {
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState("");
  const login = useMutation({ mutationFn: () => signIn(url, email.trim(), password), networkMode: "always", onError: () => setPassword("") });
  const isReady = email.trim() !== "" && password !== "" && !login.isPending;
  const submit = () => {
    if (isReady) login.mutate();
  };
  return (
    <View style={styles.form}>
      {login.error && <Problem error={login.error} />}
      <Field label={t.signIn.email} value={email} onChangeText={setEmail} inputMode="email" autoCapitalize="none" autoCorrect={false} autoComplete="username" textContentType="username" returnKeyType="next" />
      <Field
        label={t.signIn.password}
        value={password}
        onChangeText={setPassword}
        onSubmitEditing={submit}
        secureTextEntry
        autoCapitalize="none"
        autoCorrect={false}
        autoComplete="current-password"
        textContentType="password"
        returnKeyType="go"
      />
      <Button title={login.isPending ? t.signIn.submitting : t.signIn.submit} kind={isFirst ? "primary" : "plain"} isDisabled={!isReady} onPress={submit} />
    </View>
  );
}

const styles = StyleSheet.create({ form: { gap: space.m }, or: { textAlign: "center" } });
