"use client";

import { type ReactNode, useId } from "react";

interface Props {
  label: string;
  hint?: ReactNode;
  isOn: boolean;
  onChange: (on: boolean) => void;
  isDisabled?: boolean;
}

/** A choice that takes effect at once. */
export function Switch({ label, hint, isOn, onChange, isDisabled = false }: Props) {
  const id = useId();
  return (
    <div className="grid grid-cols-[auto_1fr] gap-x-3">
      <input
        id={id}
        className="size-6 accent-accent"
        type="checkbox"
        role="switch"
        checked={isOn}
        disabled={isDisabled}
        onChange={(event) => onChange(event.target.checked)}
        aria-describedby={hint ? `${id}-hint` : undefined}
      />
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {hint && (
        <span id={`${id}-hint`} className="col-start-2 text-sm text-soft">
          {hint}
        </span>
      )}
    </div>
  );
}
