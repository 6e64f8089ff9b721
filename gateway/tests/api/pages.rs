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
        ("/sso.js", "text/javascript"),
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
    assert_eq!(stranger.get("/api/nothing").await.error(), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_folder_run_their_own_scripts_only() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "index.html",
        "<script src=/a.js></script><script>start()</script>",
    );
    write("task/index.html", "<p>no script</p>");
    write("404.html", "nothing here");
    write("_next/static/a.js", "code");
    write("theme.js", "code");
    let path = dir.path().to_owned();
    let world = World::start_with(|setup| setup.settings.web_dir = Some(path)).await;
    let stranger = world.stranger();
    let header = |answer: &crate::support::client::Answer, name: &str| {
        answer
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };

    let page = stranger.get("/").await;
    let policy = header(&page, "content-security-policy").unwrap();
    // echo -n 'start()' | openssl dgst -sha256 -binary | base64
    assert!(
        policy
            .contains("script-src 'self' 'sha256-DIm7WJS6ZKDYe5qFLPy+h4JFI9Bol5QmYC57mt3Fb00='; "),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    // A page that is asked for again must come with its own policy, not as a 304.
    assert_eq!(header(&page, "cache-control").unwrap(), "no-cache");
    assert_eq!(header(&page, "last-modified"), None);
    assert_eq!(header(&page, "x-frame-options").unwrap(), "DENY");

    let other = stranger.get("/task/").await;
    assert_eq!(other.status, 200);
    assert!(
        !header(&other, "content-security-policy")
            .unwrap()
            .contains("sha256")
    );
    let lost = stranger.get("/nowhere").await;
    assert_eq!(
        (lost.status, lost.body.as_str().unwrap()),
        (404, "nothing here")
    );
    let code = stranger.get("/_next/static/a.js").await;
    assert_eq!(
        header(&code, "cache-control").unwrap(),
        "public, max-age=31536000, immutable"
    );
    let theme = stranger.get("/theme.js").await;
    assert_eq!(header(&theme, "cache-control").unwrap(), "no-cache");
}
