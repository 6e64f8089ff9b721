import { Suspense } from "react";

import { TaskPage } from "@/components/tasks/task-page";

/** The id stands in the query: the export has one file for all tasks. */
export default function Page() {
  return (
    <Suspense>
      <TaskPage />
    </Suspense>
  );
}
