import { ToUsers } from "@/components/admin/to-users";

export default function Page() {
  return <ToUsers />;
}
