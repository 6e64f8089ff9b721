"use client";

import { type Variable, isCredential, oneMore } from "@codex-remote/view";

import { t } from "@/strings";
import { Fault } from "./fault";

interface EnvFieldsProps {
  variables: Variable[];
  onChange: (variables: Variable[]) => void;
  /** What is wrong, by the keys of the variables. */
  faults: Map<number, string>;
  /** The gateway has refused one of them. */
  isInvalid: boolean;
}

export function EnvFields({ variables, onChange, faults, isInvalid }: EnvFieldsProps) {
  const change = (key: number, what: Partial<Variable>) => onChange(variables.map((row) => (row.key === key ? { ...row, ...what } : row)));
  return (
    <fieldset className="grid gap-2 sm:col-span-3">
      <legend className="label">{t.composer.env}</legend>
      <p className="text-soft">{t.composer.envHint}</p>
      {variables.map(({ key, name, value }) => (
        <div key={key} className="grid grid-cols-[1fr_1fr_auto] gap-2">
          <input
            className="field font-mono"
            aria-label={t.composer.envName}
            placeholder={t.composer.envName}
            value={name}
            onChange={(event) => change(key, { name: event.target.value })}
            aria-invalid={isInvalid || faults.has(key)}
            aria-describedby={faults.has(key) ? `fault-${key}` : undefined}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
          />
          <input
            className="field font-mono"
            aria-label={t.composer.envValue}
            placeholder={t.composer.envValue}
            value={value}
            onChange={(event) => change(key, { value: event.target.value })}
            aria-invalid={isInvalid || faults.has(key)}
            autoComplete="off"
            spellCheck={false}
          />
          <button className="button" type="button" aria-label={t.composer.envRemove(name)} onClick={() => onChange(variables.filter((row) => row.key !== key))}>
            ✕
          </button>
          <div className="col-span-3 empty:hidden">
            <Fault id={`fault-${key}`} text={faults.get(key)} />
            {!faults.has(key) && isCredential(name) && <span className="text-warn">{t.composer.envCredential}</span>}
          </div>
        </div>
      ))}
      <button className="button w-fit" type="button" onClick={() => onChange(oneMore(variables))}>
        {t.composer.envAdd}
      </button>
    </fieldset>
  );
}
