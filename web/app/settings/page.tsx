import type { Metadata } from "next";

import { SettingsForm } from "@/components/settings-form";
import { t } from "@/strings";

export const metadata: Metadata = { title: t.settings.title };

export default function Page() {
  return <SettingsForm />;
}
