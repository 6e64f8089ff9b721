//! The apps that links to this gateway open.
//!
//! A phone asks the host of a link, over https and without following redirects, which apps may open it. What is configured here is
//! told at the two addresses where iOS and Android look; a browser, and a phone without the app, gets the page at the link itself.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// What the app opens of a gateway: the pages of tasks, `/task/?id=ID`.
const PAGES: &str = "/task/*";
/// The relation of Android for links.
const HANDLE_ALL_URLS: &str = "delegate_permission/common.handle_all_urls";
/// Characters of an Apple team id.
const TEAM_CHARACTERS: usize = 10;
/// Bytes of a SHA-256 fingerprint.
const FINGERPRINT_BYTES: usize = 32;

/// The apps of both systems.
#[derive(Clone, Debug, Default)]
pub struct AppLinks {
    /// Those for iOS.
    pub ios: Vec<IosApp>,
    /// Those for Android.
    pub android: Vec<AndroidApp>,
}

/// An app for iOS: the id of its team and its bundle, `TEAMID1234.com.example.app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IosApp(String);

impl FromStr for IosApp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_app = text.split_once('.').is_some_and(|(team, bundle)| {
            let is_team = team.len() == TEAM_CHARACTERS
                && team
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            is_team
                && bundle.split('.').all(|part| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                })
        });
        if is_app {
            Ok(Self(text.to_owned()))
        } else {
            Err("write the id of the team, ten capital letters and digits, and the bundle identifier: TEAMID1234.com.example.app".to_owned())
        }
    }
}

/// An app for Android: its package, and the fingerprint of a certificate that signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndroidApp {
    package: String,
    fingerprint: String,
}

impl FromStr for AndroidApp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (package, fingerprint) = text
            .trim()
            .split_once('=')
            .ok_or("write PACKAGE=FINGERPRINT, with the SHA-256 fingerprint of a certificate that signs the app")?;
        let is_word = |word: &str| {
            word.starts_with(|first: char| first.is_ascii_alphabetic())
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !package.contains('.') || !package.split('.').all(is_word) {
            return Err("the package before `=` is none: write com.example.app".to_owned());
        }
        let fingerprint = fingerprint_of(fingerprint).ok_or(
            "the fingerprint after `=` is no SHA-256 one: 32 pairs of hexadecimal digits with colons between them, as `keytool -list -v` and `npx eas-cli credentials` show it",
        )?;
        Ok(Self {
            package: package.to_owned(),
            fingerprint,
        })
    }
}

/// As Android compares them: capital letters, and colons between the bytes.
fn fingerprint_of(text: &str) -> Option<String> {
    let pairs: Vec<&str> = text.split(':').collect();
    let is_pair =
        |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    (pairs.len() == FINGERPRINT_BYTES && pairs.iter().all(is_pair))
        .then(|| text.to_ascii_uppercase())
}

/// What iOS asks for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppleAppSiteAssociation {
    applinks: Applinks,
}

#[derive(Debug, Serialize, ToSchema)]
struct Applinks {
    details: Vec<ApplinksDetails>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApplinksDetails {
    /// The apps, as `TEAMID.bundle`.
    #[serde(rename = "appIDs")]
    app_ids: Vec<String>,
    /// Which paths they open.
    components: Vec<ApplinksComponent>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApplinksComponent {
    #[serde(rename = "/")]
    path: &'static str,
}

/// What Android asks for: one statement for each package.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetLink {
    relation: Vec<&'static str>,
    target: AssetLinkTarget,
}

#[derive(Debug, Serialize, ToSchema)]
struct AssetLinkTarget {
    namespace: &'static str,
    package_name: String,
    /// SHA-256, of the certificates that sign the app.
    sha256_cert_fingerprints: Vec<String>,
}

impl AppLinks {
    /// What is told to iOS; `None` without an app.
    #[must_use]
    pub fn apple(&self) -> Option<AppleAppSiteAssociation> {
        let details = ApplinksDetails {
            app_ids: self.ios.iter().map(|app| app.0.clone()).collect(),
            components: vec![ApplinksComponent { path: PAGES }],
        };
        (!self.ios.is_empty()).then(|| AppleAppSiteAssociation {
            applinks: Applinks {
                details: vec![details],
            },
        })
    }

    /// What is told to Android; empty without an app.
    #[must_use]
    pub fn android(&self) -> Vec<AssetLink> {
        let mut packages: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for app in &self.android {
            let fingerprints = packages.entry(&app.package).or_default();
            if !fingerprints.contains(&app.fingerprint) {
                fingerprints.push(app.fingerprint.clone());
            }
        }
        let statement = |(package, fingerprints): (&str, Vec<String>)| AssetLink {
            relation: vec![HANDLE_ALL_URLS],
            target: AssetLinkTarget {
                namespace: "android_app",
                package_name: package.to_owned(),
                sha256_cert_fingerprints: fingerprints,
            },
        };
        packages.into_iter().map(statement).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(pair: &str) -> String {
        [pair; FINGERPRINT_BYTES].join(":")
    }

    #[test]
    fn apps_for_ios_have_a_team_and_a_bundle() {
        for good in ["ABCDE12345.io.codexrunner.mobile", " 0123456789.app-2 "] {
            assert!(good.parse::<IosApp>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "io.codexrunner.mobile",
            "ABCDE12345",
            "ABCDE12345.",
            "abcde12345.io.app",
            "ABCDE12345.io..app",
            "ABCDE12345.io.app/*",
        ] {
            assert!(bad.parse::<IosApp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn apps_for_android_have_a_package_and_a_fingerprint() {
        let good = format!(" io.codexrunner.mobile={} ", fingerprint("aB"));
        let app: AndroidApp = good.parse().unwrap();
        assert_eq!(app.fingerprint, fingerprint("AB"), "as Android compares it");
        for (bad, reason) in [
            ("io.app", "PACKAGE=FINGERPRINT"),
            (&format!("app={}", fingerprint("AB")), "the package"),
            (&format!("io.2={}", fingerprint("AB")), "the package"),
            ("io.app=AB:CD", "the fingerprint"),
            (&format!("io.app={}", fingerprint("xy")), "the fingerprint"),
            (&format!("io.app={}", "AB".repeat(32)), "the fingerprint"),
        ] {
            let told = bad.parse::<AndroidApp>().unwrap_err();
            assert!(told.contains(reason), "{bad}: {told}");
        }
    }
}
