import { render, screen } from "@testing-library/react-native";
import { AccessibilityInfo, KeyboardAvoidingView, ScrollView, StyleSheet, Text } from "react-native";
import { SafeAreaInsetsContext, SafeAreaProvider, useSafeAreaInsets } from "react-native-safe-area-context";

import { AppTheme } from "@/ui/theme";
import { Beside } from "@/ui/edges";
import { Problem } from "@/ui/notice";
import { Screen } from "@/ui/screen";
import { SwitchRow } from "@/ui/switch-row";

/** What the systems understand, where that is not what a browser does. */

const notch = { top: 20, bottom: 10, left: 50, right: 40 };
const draw = (part: React.ReactElement) =>
  render(
    <SafeAreaProvider>
      <SafeAreaInsetsContext value={notch}>
        <AppTheme>{part}</AppTheme>
      </SafeAreaInsetsContext>
    </SafeAreaProvider>,
  );

test("a switch has its name in the property that the native control knows", () => {
  draw(<SwitchRow label="Tell me" isOn={false} onChange={() => undefined} />);
  expect(screen.getByRole("switch", { name: "Tell me" }).props).toMatchObject({ accessibilityLabel: "Tell me" });
});

test("a screen makes room for the keyboard and for notches, on every system", () => {
  draw(
    <Screen>
      <Text>inside</Text>
    </Screen>,
  );
  expect(screen.UNSAFE_getByType(KeyboardAvoidingView).props).toMatchObject({ behavior: "padding" });
  const { paddingLeft, paddingRight, paddingTop } = StyleSheet.flatten(screen.UNSAFE_getByType(ScrollView).props.contentContainerStyle as object) as Record<string, number>;
  expect([paddingLeft, paddingRight, paddingTop]).toEqual([50 + 16, 40 + 16, 20 + 16]);
});

test("what stands beside something else keeps clear of its own edge only", () => {
  function Insets() {
    const { left, right } = useSafeAreaInsets();
    return <Text>{`${left} ${right}`}</Text>;
  }
  draw(
    <>
      <Beside inner="right">
        <Insets />
      </Beside>
      <Beside inner="left">
        <Insets />
      </Beside>
      <Beside inner={null}>
        <Insets />
      </Beside>
    </>,
  );
  expect(screen.getAllByText(/\d/).map((text) => text.props.children as string)).toEqual(["50 0", "0 40", "50 40"]);
});

test("iOS, which knows no live regions, is told what went wrong", () => {
  const said = jest.spyOn(AccessibilityInfo, "announceForAccessibility");
  draw(<Problem title="The task was not started" error={new Error("no room")} />);
  expect(said).toHaveBeenCalledWith("The task was not started. no room");
});
