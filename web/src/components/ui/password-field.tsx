"use client";

import { useId, useRef, useState } from "react";

import { newPassword } from "@/lib/password";
import { t } from "@/strings";
import { CopyButton } from "./copy-button";

/** A password for somebody else: it can be seen, because it has to be handed over. */
export function NewPasswordField({ isRequired, hint }: { isRequired: boolean; hint: string }) {
  const [password, setPassword] = useState("");
  const [id, hintId] = [useId(), useId()];
  const field = useRef<HTMLInputElement>(null);
  const generate = () => {
    setPassword(newPassword());
    // The button is about to go, and would take the focus with it.
    field.current?.focus();
  };
  return (
    <div>
      <label className="label" htmlFor={id}>
        {t.users.password}
      </label>
      <div className="flex flex-wrap gap-2">
        <input
          ref={field}
          id={id}
          className="field min-w-40 flex-1 font-mono"
          name="password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          minLength={8}
          maxLength={1024}
          required={isRequired}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          aria-describedby={hintId}
        />
        {password ? (
          <CopyButton text={() => password} />
        ) : (
          <button className="button" type="button" onClick={generate}>
            {t.users.generate}
          </button>
        )}
      </div>
      <p id={hintId} className="mt-1 text-sm text-soft">
        {hint}
      </p>
    </div>
  );
}
