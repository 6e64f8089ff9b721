"use client";

import { useState } from "react";

import { useCancelTask } from "@/lib/queries";
import { t } from "@/strings";
import { ConfirmDialog } from "../ui/modal";

export function CancelButton({ id, isAsked }: { id: string; isAsked: boolean }) {
  const cancel = useCancelTask(id);
  const [isOpen, setOpen] = useState(false);
  const isUnderWay = isAsked || cancel.isPending || cancel.isSuccess;
  return (
    <>
      <button className="button button-danger" type="button" onClick={() => setOpen(true)} disabled={isUnderWay}>
        {isUnderWay ? t.task.canceling : t.task.cancel}
      </button>
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
