//! Paths that want to lead elsewhere.

use super::{assert_well, exchange, statuses};
use crate::support::world::World;

/// Spellings of "the folder above", and of ends of names.
const CLIMBS: [&str; 16] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%252e%252e",
    "..%2f..",
    "..%5c..",
    "..\\..",
    "%2e%2e%2f%2e%2e",
    "..%252f..",
    "%c0%ae%c0%ae",
    "%uff0e%uff0e",
    "..;",
    "..%00",
    "....//",
];

fn get(path: &str, token: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_the_web_client_is_not_left() {
    let dir = tempfile::tempdir().unwrap();
    let web = dir.path().join("web");
    std::fs::create_dir_all(web.join("task/deep")).unwrap();
    std::fs::write(web.join("index.html"), "the web client").unwrap();
    std::fs::write(web.join("404.html"), "nothing here").unwrap();
    // What is to be had outside, at every height that the paths below reach, and under the names that they ask for.
    std::fs::write(dir.path().join("passwd"), "OUTSIDE").unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    std::fs::write(dir.path().join("etc/passwd"), "OUTSIDE").unwrap();
    let served = web.clone();
    let world = World::start_with(|setup| setup.settings.web_dir = Some(served)).await;

    let absolute = dir.path().join("passwd");
    let absolute = absolute.to_str().unwrap();
    let mut paths = vec![
        format!("/{absolute}"),
        format!("//{absolute}"),
        format!("/%2f{}", absolute.replace('/', "%2f")),
        format!("/task/{absolute}"),
        "/index.html%00.txt".to_owned(),
        "/index.html/../../passwd".to_owned(),
        "/%00".to_owned(),
        "/~root/passwd".to_owned(),
        "/file:///etc/passwd".to_owned(),
        "/..".to_owned(),
        "/../web".to_owned(),
    ];
    for climb in CLIMBS {
        for slash in ["/", "%2f", "\\", "%5c"] {
            paths.push(format!("/{climb}{slash}passwd"));
            paths.push(format!("/task/{climb}{slash}{climb}{slash}passwd"));
            paths.push(format!(
                "/_next/static/{climb}{slash}{climb}{slash}{climb}{slash}etc{slash}passwd"
            ));
        }
    }
    for path in paths {
        let answer = exchange(&world, get(&path, "x")).await;
        assert!(!answer.contains("OUTSIDE"), "{path}: {answer}");
        assert!(!answer.contains("root:"), "{path}: {answer}");
        let status = statuses(&answer);
        assert!(
            matches!(status[..], [200 | 307 | 308 | 400 | 404]),
            "{path}: {answer}"
        );
        let is_page = answer.contains("the web client") || answer.contains("task/");
        assert!(status != [200] || is_page, "{path}: {answer}");
        // A redirect stays here.
        if let Some((_, location)) = answer.split_once("\r\nlocation: ") {
            assert!(
                location.starts_with('/') && !location.starts_with("//"),
                "{path}: {answer}"
            );
        }
    }
    assert_well(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_names_are_what_they_are() {
    let world = World::start().await;
    let (admin, ada) = (world.admin().await, world.user("ada").await);
    let (own, others) = (world.submitted(&ada).await, world.submitted(&admin).await);
    let token = ada.token.as_deref().unwrap();
    let upper = own.to_uppercase();
    let spellings = [
        upper.clone(),
        format!("%7b{own}%7d"),
        format!("urn:uuid:{own}"),
        own.replace('-', ""),
        format!("{own}%00"),
        format!("{own}%20"),
        format!("%20{own}"),
        format!("{own}%0d%0aset-cookie:%20a=b"),
        format!("{own};x"),
        format!("{own}%2f..%2f{others}"),
        format!("{own}%2fstream"),
        "%00".to_owned(),
        "%ff%fe".to_owned(),
        "%".to_owned(),
        "%zz".to_owned(),
        "0".to_owned(),
        "-1".to_owned(),
        "null".to_owned(),
        "*".to_owned(),
        "'%20OR%20'1'='1".to_owned(),
        "%25".repeat(2000),
    ];
    for id in &spellings {
        for rest in [
            "",
            "/stream",
            "/log",
            "/patch",
            "/artifacts",
            "/artifacts/log.ndjson",
        ] {
            let path = format!("/api/tasks/{id}{rest}");
            let answer = exchange(&world, get(&path, token)).await;
            assert!(
                matches!(statuses(&answer)[..], [400 | 404]),
                "{path}: {answer}"
            );
            assert!(!answer.contains("\r\nset-cookie"), "{path}: {answer}");
        }
    }
    for climb in CLIMBS {
        for path in [
            format!("/api/tasks/{climb}/{others}"),
            format!("/api/tasks/{own}/{climb}/{others}"),
            format!("/api/tasks/{own}%2f{climb}%2f{others}"),
            format!("/api/tasks/{own}/artifacts/{climb}"),
            format!("/api/tasks/{own}/artifacts/{climb}%2f{others}%2flog.ndjson"),
            format!("/api/tasks/{own}/artifacts/{climb}/{climb}/{others}/session.tar.zst"),
            format!("/api/tasks/{own}/{climb}/{climb}/users"),
            format!("/api/{climb}/api/users"),
            format!("/auth/{climb}/api/users"),
        ] {
            let answer = exchange(&world, get(&path, token)).await;
            assert!(
                matches!(statuses(&answer)[..], [400 | 404]),
                "{path}: {answer}"
            );
        }
    }
    // The paths are right but for what was done to them.
    let good = exchange(&world, get(&format!("/api/tasks/{own}"), token)).await;
    assert_eq!(statuses(&good), [200], "{good}");
    assert_well(&world).await;
}
