import type { ExpoConfig } from "expo/config";

/**
 * What the native projects are made of. The addresses of gateways whose links open in the app come from the environment of the build, because an
 * app can only claim hosts that it names: `CODEX_MOBILE_LINK_HOSTS=codex.example.com,codex.example.org`.
 */
const env: Record<string, string | undefined> = process.env;
const hosts = (env["CODEX_MOBILE_LINK_HOSTS"] ?? "").split(",").map((host) => host.trim()).filter(Boolean);
const id = env["CODEX_MOBILE_APP_ID"] ?? "io.codexrunner.mobile";
const project = env["EAS_PROJECT_ID"];

const config: ExpoConfig = {
  name: "Codex Remote",
  slug: "codex-remote",
  version: "0.1.0",
  scheme: "codex",
  orientation: "default",
  icon: "./assets/icon.png",
  userInterfaceStyle: "automatic",
  platforms: ["ios", "android", "web"],
  ios: {
    bundleIdentifier: id,
    icon: { light: "./assets/icon.png", dark: "./assets/icon-sign.png", tinted: "./assets/icon-sign.png" },
    supportsTablet: true,
    ...(hosts.length > 0 && { associatedDomains: hosts.map((host) => `applinks:${host}`) }),
    config: { usesNonExemptEncryption: false },
    infoPlist: {
      // Gateways at home or in an office: `src/servers/address.ts` lets http through for these only.
      NSAppTransportSecurity: { NSAllowsLocalNetworking: true },
      NSLocalNetworkUsageDescription: "Reaches a Codex gateway in your own network.",
      NSFaceIDUsageDescription: "Unlocks the app.",
    },
  },
  android: {
    package: id,
    adaptiveIcon: { foregroundImage: "./assets/icon-foreground.png", monochromeImage: "./assets/icon-foreground.png", backgroundColor: "#2f4fd0" },
    // Tokens are bound to the device; what else is kept comes back from the gateway.
    allowBackup: false,
    // From the template and from `expo-file-system`, which the app lets write into its own cache only.
    blockedPermissions: ["SYSTEM_ALERT_WINDOW", "READ_EXTERNAL_STORAGE", "WRITE_EXTERNAL_STORAGE"].map((name) => `android.permission.${name}`),
    intentFilters: hosts.map((host) => ({
      action: "VIEW",
      autoVerify: true,
      data: [{ scheme: "https", host, pathPrefix: "/task" }],
      category: ["BROWSABLE", "DEFAULT"],
    })),
  },
  web: { bundler: "metro", output: "single", favicon: "./assets/favicon.png" },
  plugins: [
    "./plugins/native.ts",
    "expo-router",
    "expo-sqlite",
    "expo-background-task",
    ["expo-secure-store", { configureAndroidBackup: true, faceIDPermission: "Unlocks the app." }],
    ["expo-local-authentication", { faceIDPermission: "Unlocks the app." }],
    ["expo-notifications", { icon: "./assets/notification.png", color: "#2f4fd0" }],
    ["expo-splash-screen", { image: "./assets/splash.png", imageWidth: 160, backgroundColor: "#ffffff", dark: { backgroundColor: "#0e1116" } }],
    // Android can allow plain http for named hosts or for all; the app itself refuses it outside of private networks.
    ["expo-build-properties", { android: { usesCleartextTraffic: true } }],
    [
      "expo-sharing",
      {
        ios: { enabled: true, activationRule: { supportsText: true, supportsWebUrlWithMaxCount: 1 } },
        android: { enabled: true, singleShareMimeTypes: ["text/plain"] },
      },
    ],
  ],
  ...(project && { extra: { eas: { projectId: project } } }),
};

export default config;
