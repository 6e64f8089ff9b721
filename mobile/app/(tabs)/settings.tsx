import { SettingsScreen } from "@/settings/settings-screen";
import { Screen } from "@/ui/screen";

export default function Settings() {
  return (
    <Screen>
      <SettingsScreen />
    </Screen>
  );
}
