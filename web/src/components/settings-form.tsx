"use client";

import { count } from "@codex-remote/view";

import { MOST_TASKS } from "@/lib/offline/shelf";
import { useRepositories } from "@/lib/queries";
import { BUFFER_SIZES, type Theme, changeSettings, useSettings } from "@/lib/settings";
import { t } from "@/strings";
import { NotifySwitch } from "./notify";
import { Switch } from "./ui/switch";

export function SettingsForm() {
  const settings = useSettings();
  const repositories = useRepositories();
  return (
    <div className="mx-auto grid w-full max-w-xl gap-6 px-4 py-6">
      <div>
        <h1 className="text-xl font-semibold">{t.settings.title}</h1>
        <p className="text-sm text-soft">{t.settings.kept}</p>
      </div>
      <label>
        <span className="label">{t.settings.theme}</span>
        <select className="field" value={settings.theme} onChange={(event) => changeSettings({ theme: event.target.value as Theme })}>
          {Object.entries(t.settings.themes).map(([theme, name]) => (
            <option key={theme} value={theme}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span className="label">{t.settings.repository}</span>
        <select className="field" value={settings.repository} onChange={(event) => changeSettings({ repository: event.target.value })}>
          <option value="">{t.settings.repositoryAuto}</option>
          {repositories.data?.map(({ name, path }) => (
            <option key={path} value={path}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span className="label">{t.settings.buffer}</span>
        <select className="field" value={settings.bufferLines} onChange={(event) => changeSettings({ bufferLines: Number(event.target.value) })}>
          {BUFFER_SIZES.map((size) => (
            <option key={size} value={size}>
              {t.settings.bufferOption(count(size))}
            </option>
          ))}
        </select>
        <span className="mt-1 block text-sm text-soft">{t.settings.bufferHint}</span>
      </label>
      <Switch label={t.keys.label} hint={t.keys.settingHint} isOn={settings.shortcuts} onChange={(shortcuts) => changeSettings({ shortcuts })} />
      <NotifySwitch />
      <Switch label={t.offline.keep} hint={t.offline.keepHint(MOST_TASKS)} isOn={settings.keepOffline} onChange={(keepOffline) => changeSettings({ keepOffline })} />
    </div>
  );
}
