import type { Metadata } from "next";

import { AccountSection } from "@/components/account/account-section";
import { TokenSection } from "@/components/account/token-section";
import { SettingsForm } from "@/components/settings-form";
import { t } from "@/strings";

export const metadata: Metadata = { title: t.settings.title };

export default function Page() {
  return (
    <>
      <SettingsForm />
      <div className="mx-auto grid w-full max-w-xl gap-8 px-4 pb-8">
        <AccountSection />
        <TokenSection />
      </div>
    </>
  );
}
