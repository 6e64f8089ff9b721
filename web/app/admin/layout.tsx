import type { Metadata } from "next";
import type { ReactNode } from "react";

import { AdminGate } from "@/components/admin/gate";
import { t } from "@/strings";

export const metadata: Metadata = { title: t.admin.title };

export default function Layout({ children }: { children: ReactNode }) {
  return <AdminGate>{children}</AdminGate>;
}
