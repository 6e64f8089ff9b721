"use client";

import { t } from "@/strings";

export interface Variable {
  key: number;
  name: string;
  value: string;
}

/** The variables as the gateway takes them; rows without a name are not filled in yet. */
export function envOf(variables: Variable[]): Record<string, string> | undefined {
  const named = variables.filter(({ name }) => name.trim());
  return named.length > 0 ? Object.fromEntries(named.map(({ name, value }) => [name.trim(), value])) : undefined;
}

export function EnvFields({ variables, onChange, isInvalid }: { variables: Variable[]; onChange: (variables: Variable[]) => void; isInvalid: boolean }) {
  const change = (key: number, what: Partial<Variable>) => onChange(variables.map((row) => (row.key === key ? { ...row, ...what } : row)));
  const add = () => onChange([...variables, { key: Math.max(0, ...variables.map((row) => row.key)) + 1, name: "", value: "" }]);
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
            aria-invalid={isInvalid}
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
            aria-invalid={isInvalid}
            autoComplete="off"
            spellCheck={false}
          />
          <button className="button" type="button" aria-label={t.composer.envRemove(name)} onClick={() => onChange(variables.filter((row) => row.key !== key))}>
            ✕
          </button>
        </div>
      ))}
      <button className="button w-fit" type="button" onClick={add}>
        {t.composer.envAdd}
      </button>
    </fieldset>
  );
}
