import { Suspense } from "react";

import { Composer } from "@/components/tasks/composer";
import { TaskList } from "@/components/tasks/task-list";

export default function Home() {
  return (
    <div className="mx-auto grid w-full max-w-4xl gap-8 px-4 py-6">
      <Composer />
      <Suspense>
        <TaskList />
      </Suspense>
    </div>
  );
}
