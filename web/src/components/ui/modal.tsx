"use client";

import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Dialog } from "@base-ui/react/dialog";
import { useMutation } from "@tanstack/react-query";
import clsx from "clsx";
import { type SubmitEvent, type ReactNode, useId, useState } from "react";

import { t } from "@/strings";
import { Problem } from "./notice";

interface ModalProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  /** What the dialog is about, for everybody; read out when it opens. */
  text?: ReactNode;
  /** Asks before something that cannot be taken back: a click beside it does not answer. */
  isAlert?: boolean;
  children: ReactNode;
}

/** A dialog over the page. The keyboard stays in it, Escape closes it, and the focus goes back to where it was. */
export function Modal({ isOpen, onClose, title, text, isAlert, children }: ModalProps) {
  const Root = isAlert ? AlertDialog.Root : Dialog.Root;
  return (
    <Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-20 bg-black/50" />
        <Dialog.Popup className="card fixed top-1/2 left-1/2 z-30 grid max-h-[calc(100dvh-2rem)] w-[min(28rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 gap-3 overflow-y-auto p-5 shadow-xl">
          <Dialog.Title className="text-lg font-semibold">{title}</Dialog.Title>
          {text && (
            <Dialog.Description className="text-sm text-soft" render={<div />}>
              {text}
            </Dialog.Description>
          )}
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Root>
  );
}

interface ConfirmProps extends Omit<ModalProps, "children" | "isAlert"> {
  /** What the button says that does it. */
  action: string;
  /** What the button says that does not. */
  keep?: string;
  isDanger?: boolean;
  run: () => Promise<unknown>;
  children?: ReactNode;
}

/** Asks, acts, and stays until that is done. */
export function ConfirmDialog({ action, keep = t.cancel, isDanger = true, run, children, ...modal }: ConfirmProps) {
  const act = useMutation({ mutationFn: run, networkMode: "always", onSuccess: modal.onClose });
  return (
    <Modal {...modal} isAlert>
      {children}
      {act.error && <Problem error={act.error} />}
      <div className="flex flex-wrap justify-end gap-2">
        <AlertDialog.Close className="button">{keep}</AlertDialog.Close>
        <button className={clsx("button", isDanger ? "button-danger" : "button-primary")} type="button" onClick={() => act.mutate()} disabled={act.isPending}>
          {act.isPending ? t.working : action}
        </button>
      </div>
    </Modal>
  );
}

interface FormDialogProps extends Omit<ModalProps, "isAlert"> {
  action: string;
  /** Gets what stands in the form; closes the dialog when it is done. */
  run: (data: FormData) => Promise<unknown>;
}

/** A form in a dialog, with the gateway's own words where something is wrong. */
export function FormDialog({ action, run, children, ...modal }: FormDialogProps) {
  const act = useMutation({ mutationFn: run, networkMode: "always", onSuccess: modal.onClose });
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (!act.isPending) act.mutate(new FormData(event.currentTarget));
  };
  return (
    <Modal {...modal}>
      <form className="grid gap-3" onSubmit={submit}>
        {act.error && <Problem error={act.error} />}
        {children}
        <div className="flex flex-wrap justify-end gap-2">
          <Dialog.Close className="button">{t.cancel}</Dialog.Close>
          <button className="button button-primary" type="submit" disabled={act.isPending}>
            {act.isPending ? t.working : action}
          </button>
        </div>
      </form>
    </Modal>
  );
}

/** A dialog that is asked for, about something. Each time it opens it is a new one: nothing of the last time is left in it. */
export function useModal<What>() {
  const [asked, setAsked] = useState<{ what: What; count: number; isOpen: boolean } | null>(null);
  // Two of them may stand side by side, where keys must differ.
  const id = useId();
  const open = (what: What) => setAsked((last) => ({ what, count: (last?.count ?? 0) + 1, isOpen: true }));
  const onClose = () => setAsked((last) => last && { ...last, isOpen: false });
  return { asked: asked && { key: `${id}${asked.count}`, what: asked.what, props: { isOpen: asked.isOpen, onClose } }, open };
}
