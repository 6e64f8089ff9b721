// What the native projects declare, held against what the app needs, word for word: a package that asks for more, or a template that changes, is seen here
// and not in a store's review. Nothing of this needs a device; that it compiles, and what the libraries of the libraries declare, does.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { filtersOf, mobile, prebuild, readXml } from "./prebuild.mjs";

const named = (parts = []) => parts.map(({ $ }) => $["android:name"]).sort();

describe("as it is built without any variable", () => {
  let made;
  before(() => (made = prebuild()));
  after(() => made?.remove());

  describe("Android", () => {
    let manifest, application, activity;
    before(async () => {
      ({ manifest } = await made.xml("android/app/src/main/AndroidManifest.xml"));
      application = manifest.application[0];
      activity = application.activity[0];
    });

    test("asks for what it uses", () => {
      const asked = manifest["uses-permission"].filter(({ $ }) => $["tools:node"] !== "remove");
      assert.deepEqual(named(asked), ["INTERNET", "USE_BIOMETRIC", "USE_FINGERPRINT", "VIBRATE"].map((name) => `android.permission.${name}`));
    });

    test("refuses what templates and packages ask for beyond that", () => {
      const refused = manifest["uses-permission"].filter(({ $ }) => $["tools:node"] === "remove");
      assert.deepEqual(named(refused), ["READ_EXTERNAL_STORAGE", "SYSTEM_ALERT_WINDOW", "WRITE_EXTERNAL_STORAGE"].map((name) => `android.permission.${name}`));
    });

    test("its packages ask for nothing else, and open no door", async () => {
      const modules = join(mobile, "node_modules");
      const asked = new Set();
      for (const name of readdirSync(modules)) {
        const path = join(modules, name, "android/src/main/AndroidManifest.xml");
        if (!existsSync(path)) continue;
        const { manifest } = await readXml(path);
        named(manifest["uses-permission"]).forEach((permission) => asked.add(permission));
        const parts = (manifest.application ?? []).flatMap((application) => ["activity", "activity-alias", "service", "receiver", "provider"].flatMap((kind) => application?.[kind] ?? []));
        for (const { $ } of parts) assert.notEqual($["android:exported"], "true", `${name} exports ${$["android:name"]}`);
      }
      const expected = [
        "ACCESS_NETWORK_STATE", // expo-network: connections do not survive the change of a network
        "ACCESS_WIFI_STATE",
        "INTERNET",
        "POST_NOTIFICATIONS",
        "READ_EXTERNAL_STORAGE", // expo-file-system; refused above
        "RECEIVE_BOOT_COMPLETED", // expo-notifications, for notifications at a time; there are none
        "USE_BIOMETRIC",
        "USE_FINGERPRINT",
        "WRITE_EXTERNAL_STORAGE",
      ];
      assert.deepEqual([...asked].sort(), expected.map((name) => `android.permission.${name}`));
    });

    test("nothing goes into a backup, or to the next device, but settings of the system's own", () => {
      const { $ } = application;
      assert.equal($["android:allowBackup"], "false");
      assert.equal($["android:fullBackupContent"], "@xml/secure_store_backup_rules");
      assert.equal($["android:dataExtractionRules"], "@xml/secure_store_data_extraction_rules");
      // Where something is included, everything else is left out: files and databases, that is what is kept of tasks.
      for (const rules of ["secure_store_backup_rules", "secure_store_data_extraction_rules"]) {
        const text = readFileSync(join(mobile, "node_modules/expo-secure-store/android/src/main/res/xml", `${rules}.xml`), "utf8");
        assert.deepEqual([...new Set(text.match(/<(?:include|exclude) [^>]*>/g))], ['<include domain="sharedpref" path="."/>', '<exclude domain="sharedpref" path="SecureStore"/>']);
      }
    });

    test("there is one way in, by its icon, its own links and the share sheet", () => {
      assert.deepEqual(named(application.activity), [".MainActivity"]);
      assert.deepEqual([application.service, application.receiver, application.provider].filter(Boolean), []);
      assert.deepEqual(filtersOf(activity), [
        "MAIN | LAUNCHER",
        // The second one is for development builds.
        "VIEW | BROWSABLE+DEFAULT | codex | exp+codex-remote",
        "SEND | DEFAULT | text/plain",
      ]);
      // A link that comes while the app runs goes to the app that runs.
      assert.equal(activity.$["android:launchMode"], "singleTask");
    });

    test("turns, folds and stands beside other apps without starting anew", () => {
      const kept = activity.$["android:configChanges"].split("|");
      for (const change of ["keyboardHidden", "orientation", "screenSize", "screenLayout", "smallestScreenSize", "uiMode"]) assert.ok(kept.includes(change), change);
      assert.equal(activity.$["android:screenOrientation"], "unspecified");
      assert.equal(activity.$["android:resizeableActivity"], undefined);
    });

    test("its picture is not among the recent apps", () => {
      const source = made.text("android/app/src/main/java/io/codexrunner/mobile/MainActivity.kt");
      assert.match(source, /import android\.os\.Build\n/);
      assert.match(source, /super\.onCreate\(null\)\n {4}if \(Build\.VERSION\.SDK_INT >= Build\.VERSION_CODES\.TIRAMISU\) setRecentsScreenshotEnabled\(false\)\n/);
    });

    test("plain http is allowed, because src/servers/address.ts decides", () => assert.equal(application.$["android:usesCleartextTraffic"], "true"));

    test("is made with Hermes, the new architecture and windows from edge to edge", () => {
      const properties = made.text("android/gradle.properties");
      for (const name of ["hermesEnabled", "newArchEnabled", "edgeToEdgeEnabled"]) assert.match(properties, new RegExp(`^${name}=true$`, "m"));
      assert.match(made.text("android/app/build.gradle"), /versionName "0\.1\.0"/);
    });

    test("has an icon for the status bar, one that the system may colour, and a dark start", () => {
      const shades = application["meta-data"].map(({ $ }) => [$["android:name"], $["android:resource"]]);
      assert.ok(shades.some(([name, resource]) => name === "expo.modules.notifications.default_notification_icon" && resource === "@drawable/notification_icon"));
      for (const density of ["mdpi", "hdpi", "xhdpi", "xxhdpi", "xxxhdpi"]) assert.ok(made.list(`android/app/src/main/res/drawable-${density}`).includes("notification_icon.png"), density);
      assert.match(made.text("android/app/src/main/res/mipmap-anydpi-v26/ic_launcher.xml"), /<monochrome /);
      assert.match(made.text("android/app/src/main/res/values-night/colors.xml"), /splashscreen_background">#0e1116</);
    });

    test("nothing is loaded over the air", () => {
      assert.ok(application["meta-data"].some(({ $ }) => $["android:name"] === "expo.modules.updates.ENABLED" && $["android:value"] === "false"));
    });
  });

  describe("iOS", () => {
    let info;
    before(() => (info = made.plist("ios/CodexRemote/Info.plist")));

    test("says for what it asks", () => {
      const asked = Object.fromEntries(Object.entries(info).filter(([key]) => key.endsWith("UsageDescription")));
      assert.deepEqual(asked, { NSFaceIDUsageDescription: "Unlocks the app.", NSLocalNetworkUsageDescription: "Reaches a Codex gateway in your own network." });
    });

    test("runs in the background for its one task only", () => {
      assert.deepEqual(info.UIBackgroundModes, ["processing"]);
      assert.deepEqual(info.BGTaskSchedulerPermittedIdentifiers, ["com.expo.modules.backgroundtask.processing"]);
    });

    test("plain http is for networks of one's own", () => assert.deepEqual(info.NSAppTransportSecurity, { NSAllowsLocalNetworking: true }));

    test("needs no papers for its encryption", () => assert.equal(info.ITSAppUsesNonExemptEncryption, false));

    test("opens for its own links", () => {
      // The last one is for development builds.
      assert.deepEqual(info.CFBundleURLTypes.flatMap((type) => type.CFBundleURLSchemes), ["codex", "io.codexrunner.mobile", "exp+codex-remote"]);
    });

    test("turns and shares the screen of a tablet, light and dark", () => {
      const all = ["Portrait", "PortraitUpsideDown", "LandscapeLeft", "LandscapeRight"].map((name) => `UIInterfaceOrientation${name}`);
      assert.deepEqual(info["UISupportedInterfaceOrientations~ipad"], all);
      assert.equal(info.UIRequiresFullScreen, false);
      assert.equal(info.UIUserInterfaceStyle, "Automatic");
    });

    test("is entitled to share with its extension, and to nothing else", () => {
      const group = { "com.apple.security.application-groups": ["group.io.codexrunner.mobile"] };
      assert.deepEqual(made.plist("ios/CodexRemote/CodexRemote.entitlements"), group);
      assert.deepEqual(made.plist("ios/expo-sharing-extension/expo-sharing-extension.entitlements"), group);
      assert.equal(info.ExpoShareIntoAppGroupId, "group.io.codexrunner.mobile");
    });

    test("the share sheet offers it for text and for one address", () => {
      const extension = made.plist("ios/expo-sharing-extension/Info.plist");
      assert.deepEqual(extension.NSExtension.NSExtensionAttributes.NSExtensionActivationRule, { NSExtensionActivationSupportsText: true, NSExtensionActivationSupportsWebURLWithMaxCount: 1 });
      assert.equal(extension.MainTargetUrlScheme, "codex");
    });

    test("all targets are for the same systems and devices, and gather what the packages say of privacy", () => {
      const project = made.text("ios/CodexRemote.xcodeproj/project.pbxproj");
      const values = (name) => [...new Set([...project.matchAll(new RegExp(`${name} = "?([^";]+)"?;`, "g"))].map(([, value]) => value))];
      assert.deepEqual(values("IPHONEOS_DEPLOYMENT_TARGET"), ["16.4"]);
      assert.deepEqual(values("TARGETED_DEVICE_FAMILY"), ["1,2"]);
      const properties = JSON.parse(made.text("ios/Podfile.properties.json"));
      assert.equal(properties["apple.privacyManifestAggregationEnabled"], "true");
      assert.equal(properties["expo.jsEngine"], "hermes");
    });

    test("has icons for light, dark and tinted screens", () => {
      const { images } = JSON.parse(made.text("ios/CodexRemote/Images.xcassets/AppIcon.appiconset/Contents.json"));
      assert.deepEqual(images.map(({ appearances }) => appearances?.[0].value ?? "any"), ["any", "dark", "tinted"]);
    });
  });
});

describe("as somebody builds it for gateways and a name of their own", () => {
  let made;
  before(() => (made = prebuild({ CODEX_MOBILE_LINK_HOSTS: "codex.example.com, codex.example.org", CODEX_MOBILE_APP_ID: "com.example.codex" })));
  after(() => made?.remove());

  test("Android verifies the links of these hosts, and claims nothing but tasks", async () => {
    const { manifest } = await made.xml("android/app/src/main/AndroidManifest.xml");
    assert.deepEqual(filtersOf(manifest.application[0].activity[0]).filter((filter) => filter.includes("https")), [
      "VIEW | BROWSABLE+DEFAULT | https codex.example.com /task | verified",
      "VIEW | BROWSABLE+DEFAULT | https codex.example.org /task | verified",
    ]);
    assert.match(made.text("android/app/build.gradle"), /applicationId 'com\.example\.codex'/);
  });

  test("iOS is entitled to them", () => {
    assert.deepEqual(made.plist("ios/CodexRemote/CodexRemote.entitlements"), {
      "com.apple.developer.associated-domains": ["applinks:codex.example.com", "applinks:codex.example.org"],
      "com.apple.security.application-groups": ["group.com.example.codex"],
    });
    const project = made.text("ios/CodexRemote.xcodeproj/project.pbxproj");
    assert.deepEqual([...new Set([...project.matchAll(/PRODUCT_BUNDLE_IDENTIFIER = "?([^";]+)"?;/g)].map(([, value]) => value))], ["com.example.codex", "com.example.codex.expo-sharing-extension"]);
  });
});
