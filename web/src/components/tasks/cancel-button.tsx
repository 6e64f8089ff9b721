"use client";

import { AlertDialog } from "@base-ui/react/alert-dialog";

import { useCancelTask } from "@/lib/queries";
import { t } from "@/strings";
import { Problem } from "../ui/notice";

export function CancelButton({ id, isAsked }: { id: string; isAsked: boolean }) {
  const cancel = useCancelTask(id);
  const isUnderWay = isAsked || cancel.isPending || cancel.isSuccess;
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger className="button button-danger" disabled={isUnderWay}>
        {isUnderWay ? t.task.canceling : t.task.cancel}
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-20 bg-black/50" />
        <AlertDialog.Popup className="card fixed top-1/2 left-1/2 z-30 grid w-[min(26rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 gap-3 p-5 shadow-xl">
          <AlertDialog.Title className="text-lg font-semibold">{t.task.cancelTitle}</AlertDialog.Title>
          <AlertDialog.Description className="text-sm text-soft">{t.task.cancelText}</AlertDialog.Description>
          {cancel.error && <Problem error={cancel.error} />}
          <div className="flex flex-wrap justify-end gap-2">
            <AlertDialog.Close className="button">{t.task.cancelKeep}</AlertDialog.Close>
            <AlertDialog.Close className="button button-danger" onClick={() => cancel.mutate()}>
              {t.task.cancelDo}
            </AlertDialog.Close>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
