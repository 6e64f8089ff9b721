import type { Metadata } from "next";

import { UserList } from "@/components/admin/user-list";
import { t } from "@/strings";

export const metadata: Metadata = { title: t.admin.users };

export default function Page() {
  return <UserList />;
}
