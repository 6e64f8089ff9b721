"use client";

import { Dialog } from "@base-ui/react/dialog";
import { useRef } from "react";

import { changeSettings, useSettings } from "@/lib/settings";
import { t } from "@/strings";
import { Switch } from "./ui/switch";

export default function ShortcutsDialog({ isOpen, onOpenChange }: { isOpen: boolean; onOpenChange: (open: boolean) => void }) {
  const { shortcuts } = useSettings();
  // The list begins at its top, also where it is longer than the screen.
  const title = useRef<HTMLHeadingElement>(null);
  return (
    <Dialog.Root open={isOpen} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-20 bg-black/50" />
        <Dialog.Popup initialFocus={title} className="card fixed top-1/2 left-1/2 z-30 grid max-h-[calc(100dvh-2rem)] w-[min(40rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 gap-4 overflow-y-auto p-5 shadow-xl">
          <Dialog.Title ref={title} tabIndex={-1} className="text-lg font-semibold outline-none">{t.keys.title}</Dialog.Title>
          <div className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
            {t.keys.groups.map(({ name, keys }) => (
              <section key={name}>
                <h3 className="mb-1 text-sm font-semibold text-soft">{name}</h3>
                <dl className="grid grid-cols-[6.5rem_1fr] gap-y-1 text-sm">
                  {keys.map(([combination, meaning]) => (
                    <div key={combination} className="contents">
                      <dt>
                        <Keys of={combination} />
                      </dt>
                      <dd>{meaning}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            ))}
          </div>
          <Switch label={t.keys.label} hint={t.keys.hint} isOn={shortcuts} onChange={(on) => changeSettings({ shortcuts: on })} />
          <Dialog.Close className="button justify-self-end">{t.close}</Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Keys({ of }: { of: string }) {
  return (
    <span className="inline-flex gap-1">
      {of.split(" ").map((key, index) => (
        <kbd key={index} className="min-w-6 rounded border border-line bg-ground px-1.5 text-center font-mono text-xs leading-5">
          {key}
        </kbd>
      ))}
    </span>
  );
}
