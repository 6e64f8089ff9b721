import { useState } from "react";

import { useCancelTask } from "@/queries";
import { t } from "@/strings";
import { Button } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";

/** Ends a task, after having asked. `isAsked` says that somebody did already. */
export function CancelButton({ id, isAsked }: { id: string; isAsked: boolean }) {
  const cancel = useCancelTask(id);
  const [isOpen, setOpen] = useState(false);
  const isUnderWay = isAsked || cancel.isPending || cancel.isSuccess;
  return (
    <>
      <Button title={isUnderWay ? t.task.canceling : t.task.cancel} kind="danger" isDisabled={isUnderWay} onPress={() => setOpen(true)} />
      <ConfirmDialog
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        title={t.task.cancelTitle}
        text={t.task.cancelText}
        action={t.task.cancelDo}
        keep={t.task.cancelKeep}
        run={() => cancel.mutateAsync()}
      />
    </>
  );
}
