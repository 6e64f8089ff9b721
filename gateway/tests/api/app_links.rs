//! Where phones ask which apps open links to this gateway.

use codex_gateway::app_links::AppLinks;
use serde_json::json;

use crate::support::world::World;

const APPLE: &str = "/.well-known/apple-app-site-association";
const ANDROID: &str = "/.well-known/assetlinks.json";

fn fingerprint(pair: &str) -> String {
    [pair; 32].join(":")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_systems_are_told_the_apps_that_are_configured() {
    let (first, second) = (fingerprint("AB"), fingerprint("CD"));
    let links = AppLinks {
        ios: vec!["ABCDE12345.io.codexrunner.mobile".parse().unwrap()],
        android: [
            format!("io.codexrunner.mobile={}", first.to_lowercase()),
            format!("io.codexrunner.mobile={second}"),
            format!("io.codexrunner.preview={first}"),
        ]
        .iter()
        .map(|app| app.parse().unwrap())
        .collect(),
    };
    let web = tempfile::tempdir().unwrap();
    std::fs::create_dir(web.path().join("task")).unwrap();
    std::fs::write(web.path().join("task/index.html"), "the page of a task").unwrap();
    let folder = web.path().to_owned();
    let world = World::start_with(|setup| {
        setup.settings.app_links = links;
        setup.settings.web_dir = Some(folder);
    })
    .await;
    let stranger = world.stranger();
    for (path, expected) in [
        (
            APPLE,
            json!({"applinks": {"details": [{
                "appIDs": ["ABCDE12345.io.codexrunner.mobile"],
                "components": [{"/": "/task/*"}],
            }]}}),
        ),
        (
            ANDROID,
            json!([
                {
                    "relation": ["delegate_permission/common.handle_all_urls"],
                    "target": {
                        "namespace": "android_app",
                        "package_name": "io.codexrunner.mobile",
                        "sha256_cert_fingerprints": [first, second],
                    },
                },
                {
                    "relation": ["delegate_permission/common.handle_all_urls"],
                    "target": {
                        "namespace": "android_app",
                        "package_name": "io.codexrunner.preview",
                        "sha256_cert_fingerprints": [first],
                    },
                },
            ]),
        ),
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 200, "{path} is no redirect");
        assert_eq!(answer.body, expected);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "public, max-age=3600");
    }
    // A browser, and a phone without the app, gets the page.
    let id = uuid::Uuid::new_v4();
    let page = stranger.get(&format!("/task/?id={id}")).await;
    assert_eq!((page.status, page.body), (200, "the page of a task".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_system_without_an_app_is_not_found() {
    let world = World::start_with(|setup| {
        setup.settings.app_links.ios = vec!["ABCDE12345.io.codexrunner.mobile".parse().unwrap()];
    })
    .await;
    let stranger = world.stranger();
    assert_eq!(stranger.get(APPLE).await.status, 200);
    let answer = stranger.get(ANDROID).await;
    assert_eq!((answer.status, answer.error()), (404, "not_found"));
}
