import Link from "next/link";

import { Notice } from "@/components/ui/notice";
import { t } from "@/strings";

export default function NotFound() {
  return (
    <Notice title={t.problem.notFound} text={t.problem.notFoundText}>
      <Link className="button" href="/">
        {t.problem.back}
      </Link>
    </Notice>
  );
}
