import { type ConfigPlugin, withAndroidManifest, withEntitlementsPlist, withInfoPlist, withMainActivity } from "expo/config-plugins";

/**
 * The last word on the native projects: what the plugins of packages put there and this app does not use goes, and the app keeps out of the list of
 * recent apps. Has to be the first of the plugins, because the first one runs last. `make check-native` holds the result against what is expected.
 */
const withNative: ConfigPlugin = (config) => withQuietActivity(withoutEmptyFilters(withoutBackgroundFetch(withoutPush(config))));
export default withNative;

/** Push is a capability that a signing team has to have; it comes back with push itself. */
const withoutPush: ConfigPlugin = (config) =>
  withEntitlementsPlist(config, (mod) => {
    delete mod.modResults["aps-environment"];
    return mod;
  });

/** The background task is one of `processing`. The older mode, which `expo-task-manager` adds for all, is not used. */
const withoutBackgroundFetch: ConfigPlugin = (config) =>
  withInfoPlist(config, (mod) => {
    mod.modResults.UIBackgroundModes = mod.modResults.UIBackgroundModes?.filter((mode) => mode !== "fetch");
    return mod;
  });

/** `expo-sharing` asks for several things at once also where no kind of them is taken. */
const withoutEmptyFilters: ConfigPlugin = (config) =>
  withAndroidManifest(config, (mod) => {
    for (const activity of mod.modResults.manifest.application?.[0]?.activity ?? []) {
      activity["intent-filter"] = activity["intent-filter"]?.filter(({ action, data }) => action?.[0]?.$["android:name"] !== "android.intent.action.SEND_MULTIPLE" || (data?.length ?? 0) > 0);
    }
    return mod;
  });

const CREATED = "super.onCreate(null)";

/**
 * Android takes a picture of what stands on the screen when an app is left, before JavaScript could put anything over it. Releases before 13 can be
 * kept from that only together with all screenshots, which people want to take.
 */
const withQuietActivity: ConfigPlugin = (config) =>
  withMainActivity(config, (mod) => {
    const { contents } = mod.modResults;
    if (contents.includes("setRecentsScreenshotEnabled")) return mod;
    if (!contents.includes(CREATED)) throw new Error(`there is no ${CREATED} in MainActivity any more: see mobile/plugins/native.ts`);
    mod.modResults.contents = contents.replace(CREATED, `${CREATED}\n    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) setRecentsScreenshotEnabled(false)`);
    return mod;
  });
