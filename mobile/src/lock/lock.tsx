import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { AppState, StyleSheet, View } from "react-native";

import { biometrics } from "@/platform/biometrics";
import { readSettings, useSettings } from "@/settings/settings";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { Covered } from "@/ui/covered";
import { Text } from "@/ui/text";
import { space, useColors } from "@/ui/theme";

/** How long the app may be away before it asks, in milliseconds: looking something up elsewhere should not cost a fingerprint. */
export const AWAY = 30_000;

/** Hides everything until the owner of the device has shown themselves, where they want that. */
export function Lock({ children }: { children: ReactNode }) {
  const colors = useColors();
  const { lock } = useSettings();
  const isWanted = lock && biometrics !== null;
  const [isLocked, setLocked] = useState(isWanted);
  // The system may start the app behind everything else, where nobody can be asked.
  const [isInFront, setInFront] = useState(AppState.currentState !== "background");
  const [isActive, setActive] = useState(true);
  const isAsking = useRef(false);

  const unlock = useCallback(async () => {
    if (isAsking.current) return;
    isAsking.current = true;
    try {
      if (await biometrics?.ask(t.lock.reason)) setLocked(false);
    } finally {
      isAsking.current = false;
    }
  }, []);

  useEffect(() => {
    let leftAt: number | null = null;
    const subscription = AppState.addEventListener("change", (state) => {
      setActive(state === "active");
      // The screen that asks for the code is an app of its own on some devices. Whoever turns back from it is not asked again and again.
      if (state === "background" && !isAsking.current) {
        leftAt ??= Date.now();
        setInFront(false);
      }
      if (state !== "active") return;
      setInFront(true);
      // The clock may have been set back meanwhile; then nobody knows.
      const away = leftAt === null ? 0 : Date.now() - leftAt;
      leftAt = null;
      if (biometrics && readSettings().lock && (away < 0 || away >= AWAY)) setLocked(true);
    });
    return () => subscription.remove();
  }, []);

  const isHidden = isWanted && isLocked;
  // What stands on the screen when the app is left is the picture of it among the recent apps.
  const isCovered = isWanted && (isLocked || !isActive);
  useEffect(() => {
    if (isHidden && isInFront) void unlock();
  }, [isHidden, isInFront, unlock]);

  return (
    <View style={styles.fill}>
      {/* The screens stay as they are, out of sight and out of reach. */}
      <View style={[styles.fill, isHidden && styles.gone]} aria-hidden={isHidden} importantForAccessibility={isHidden ? "no-hide-descendants" : "auto"}>
        <Covered value={isCovered}>{children}</Covered>
      </View>
      {isCovered && (
        <View testID="cover" style={[StyleSheet.absoluteFill, styles.locked, { backgroundColor: colors.ground }]}>
          {isHidden && (
            <>
              <Text kind="heading">{t.lock.title}</Text>
              <Button title={t.lock.unlock} kind="primary" onPress={() => void unlock()} />
            </>
          )}
        </View>
      )}
    </View>
  );
}

const styles = StyleSheet.create({
  fill: { flex: 1 },
  gone: { display: "none" },
  locked: { alignItems: "center", justifyContent: "center", gap: space.l, padding: space.xl },
});
