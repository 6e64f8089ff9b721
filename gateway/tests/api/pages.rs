//! The built-in page.

use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_nothing_from_elsewhere() {
    let world = World::start().await;
    let stranger = world.stranger();
    let page = stranger.get("/").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.headers["x-frame-options"], "DENY");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    let html = page.body.as_str().unwrap();
    assert!(
        !html.contains("<script>") && !html.contains("style=") && !html.contains("onclick"),
        "the policy forbids inline code"
    );
    for (path, content_type) in [
        ("/app.js", "text/javascript"),
        ("/stream.js", "text/javascript"),
        ("/style.css", "text/css"),
    ] {
        let asset = stranger.get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(
            asset.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with(content_type),
            "{path}"
        );
        let text = asset.body.as_str().unwrap();
        assert!(
            !text.contains("innerHTML") && !text.contains("http://") && !text.contains("https://"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "the web client").unwrap();
    std::fs::write(dir.path().join("secret.txt"), "inside").unwrap();
    let path = dir.path().to_owned();
    let world = World::start_with(|setup| setup.settings.web_dir = Some(path)).await;
    let stranger = world.stranger();
    assert_eq!(stranger.get("/").await.body, "the web client");
    assert_eq!(stranger.get("/secret.txt").await.body, "inside");
    assert_eq!(stranger.get("/%2e%2e/%2e%2e/etc/passwd").await.status, 404);
    assert_eq!(stranger.get("/api/nothing").await.error(), "not_found");
}
