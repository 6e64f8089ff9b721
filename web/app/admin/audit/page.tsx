import type { Metadata } from "next";
import { Suspense } from "react";

import { AuditLog } from "@/components/admin/audit-log";
import { t } from "@/strings";

export const metadata: Metadata = { title: t.admin.audit };

export default function Page() {
  return (
    <Suspense>
      <AuditLog />
    </Suspense>
  );
}
