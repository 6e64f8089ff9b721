//! `login`, `list`, `cancel` and `repositories`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::{
    gateway::{ENDED_TOKEN, Gateway, TASK, TOKEN},
    program::User,
};

#[tokio::test]
async fn a_login_is_kept_for_its_owner_only() {
    let gateway = Gateway::start(vec![]).await;
    let user = User::new();
    let url = gateway.url();
    let login = [
        "login",
        &url,
        "--email",
        "ada@example.com",
        "--password-stdin",
    ];
    let output = user.run(&login, "open sesame\n").await;
    output.assert_code(0);
    assert!(!format!("{output:?}").contains(TOKEN));
    let expected = json!({"email": "ada@example.com", "password": "open sesame"});
    gateway.seen(|seen| assert_eq!(seen.logins, [expected]));

    let file = user.config().join("codex-remote/credentials.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        !std::fs::read_to_string(&file)
            .unwrap()
            .contains("open sesame")
    );
    user.run(&["list"], "").await.assert_code(0);
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let gateway = Gateway::start(vec![]).await;
    let user = User::new();
    let url = gateway.url();
    let output = user
        .run(
            &["login", &url, "--email", "a@b.c", "--password-stdin"],
            "wrong",
        )
        .await;
    output.assert_code(1);
    assert!(
        output.stderr.contains("email or password is wrong"),
        "{output:?}"
    );
    assert!(!user.config().join("codex-remote/credentials.json").exists());
}

#[tokio::test]
async fn nobody_is_asked_where_there_is_no_terminal() {
    let output = User::new()
        .run(&["login", "http://127.0.0.1:1", "--email", "a@b.c"], "")
        .await;
    output.assert_code(1);
    assert!(output.stderr.contains("--password-stdin"), "{output:?}");
}

#[tokio::test]
async fn without_a_login_the_commands_say_what_to_do() {
    for command in [
        &["list"][..],
        &["run", "go"],
        &["logs", TASK],
        &["cancel", TASK],
        &["repositories"],
    ] {
        let output = User::new().run(command, "").await;
        output.assert_code(1);
        assert!(
            output
                .stderr
                .contains("not logged in; run `codex-remote login"),
            "{output:?}"
        );
    }
}

#[tokio::test]
async fn tasks_are_listed() {
    let gateway = Gateway::start(vec![]).await;
    let user = User::of(&gateway);
    let output = user
        .run(&["list", "--status", "running", "--limit", "5"], "")
        .await;
    output.assert_code(0);
    let row = output.stdout.lines().nth(1).unwrap();
    assert!(
        row.starts_with(&format!("{TASK}  running")) && row.ends_with("  Tidy up"),
        "{row:?}"
    );
    gateway.seen(|seen| assert_eq!(seen.lists[0].as_deref(), Some("limit=5&status=running")));
    let output = user.run(&["list", "--json"], "").await;
    assert_eq!(output.events()[0]["tasks"][0]["task_id"], TASK);
}

#[tokio::test]
async fn repositories_are_listed() {
    let gateway = Gateway::start(vec![]).await;
    let output = User::of(&gateway).run(&["repositories"], "").await;
    let words = |row: usize| {
        output
            .stdout
            .lines()
            .nth(row)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(1),
        ["demo", "/srv/repos/demo", "(default)", "Begin", "here"]
    );
    assert_eq!(words(2), ["other", "/srv/repos/other"]);
}

#[tokio::test]
async fn tasks_are_canceled() {
    let gateway = Gateway::start(vec![]).await;
    let user = User::of(&gateway);
    user.run(&["cancel", TASK], "").await.assert_code(0);
    gateway.seen(|seen| assert_eq!(seen.canceled, [TASK]));
    let output = user.run(&["cancel", "another"], "").await;
    output.assert_code(1);
    assert!(
        output.stderr.contains("there is no such task"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_is_none_is_told() {
    let output = User::new()
        .run(
            &["login", "nonsense", "--email", "a@b.c", "--password-stdin"],
            "x",
        )
        .await;
    output.assert_code(1);
    assert!(
        output.stderr.contains("https://codex.example.com"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_gateway_that_is_away_is_told_with_the_cause() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let login = ["login", &url, "--email", "a@b.c", "--password-stdin"];
    let output = User::new().run(&login, "x").await;
    output.assert_code(1);
    assert!(
        output.stderr.contains(&format!("cannot reach {url}/")),
        "{output:?}"
    );
    assert!(output.stderr.contains("Connection refused"), "{output:?}");
}

/// A user whose access token has ended.
fn user_with_ended_token(gateway: &Gateway, refresh_token: &str) -> User {
    let user = User::new();
    let folder = user.config().join("codex-remote");
    std::fs::create_dir(&folder).unwrap();
    let login = json!({"url": format!("{}/", gateway.url()), "email": "ada@example.com",
        "access_token": ENDED_TOKEN, "refresh_token": refresh_token});
    std::fs::write(folder.join("credentials.json"), login.to_string()).unwrap();
    user
}

#[tokio::test]
async fn an_ended_token_is_renewed_once_for_all() {
    let gateway = Gateway::start(vec![]).await;
    let user = user_with_ended_token(&gateway, "refresh");
    let commands = (0..4).map(|_| user.run(&["repositories"], ""));
    for output in futures::future::join_all(commands).await {
        output.assert_code(0);
    }
    gateway.seen(|seen| assert_eq!(seen.refreshes, [json!({"refresh_token": "refresh"})]));
    let file = user.config().join("codex-remote/credentials.json");
    let login: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(
        (&login["access_token"], &login["refresh_token"]),
        (&json!(TOKEN), &json!("next"))
    );
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_is_told() {
    let gateway = Gateway::start(vec![]).await;
    let user = user_with_ended_token(&gateway, "used already");
    let output = user.run(&["run", "--detach", "go"], "").await;
    output.assert_code(1);
    assert!(
        output
            .stderr
            .contains(&format!("run `codex-remote login {}", gateway.url())),
        "{output:?}"
    );
}
