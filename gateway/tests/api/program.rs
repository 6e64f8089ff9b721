//! The program itself: configuration, the ready line, the log, the stop.

use std::process::Stdio;

use codex_gateway::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::DEADLINE;
use crate::support::client::Client;
use crate::support::world::World;

const EMAIL: &str = "first@example.test";
const PASSWORD: &str = "a password of the first";
const PROMPT: &str = "a prompt that is nobody's business";

/// Started as many systems start programs: with a low limit of open files, and the right to raise it.
fn program() -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"ulimit -Sn 256 && exec "$0""#])
        .arg(env!("CARGO_BIN_EXE_codex-gateway"))
        .env_clear()
        .kill_on_drop(true)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_starts_serves_and_stops() {
    let world = World::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let socket = world.setup.hub.display().to_string();
    let mut child = program()
        .env("CODEX_LISTEN", "127.0.0.1:0")
        .env("CODEX_AUDIT_DAY", "30")
        .env(
            "CODEX_DATABASE_URL_FILE",
            file(
                "url",
                &format!("{}\n", crate::support::postgres::database().await),
            ),
        )
        .env("KUBECONFIG", world.kubeconfig())
        .env("CODEX_NAMESPACE", Settings::default().namespace)
        .env("CODEX_LIVE_STORE", format!("hub:{socket}"))
        .env(
            "CODEX_ARCHIVE",
            format!("file://{}", dir.path().join("archive").display()),
        )
        .env("CODEX_JWT_KEY_FILE", file("key.pem", &world.setup.key))
        .env("CODEX_ADMIN_EMAIL", EMAIL)
        .env(
            "CODEX_ADMIN_PASSWORD_FILE",
            file("password", &format!("{PASSWORD}\n")),
        )
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = tokio::time::timeout(DEADLINE, lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["ready"], true);

    let pid = child.id().unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<&str> = files.unwrap().split_whitespace().collect();
    assert_eq!(
        files[3], files[4],
        "as many streams as the system lets it have"
    );

    let stranger = Client::new(ready["url"].as_str().unwrap(), None);
    let first = stranger.login(EMAIL, PASSWORD).await;
    let id = first
        .submit(&json!({ "prompt": PROMPT, "env": { "SOME_KEY": "some value" } }))
        .await;
    world.resource(&id).await;
    let request = first
        .request(Method::GET, &format!("/api/tasks/{id}?token=in-the-query"))
        .header("x-request-id", "r-17");
    assert_eq!(first.send(request).await.status, 200);
    let mut stream = first.stream(&id, "", None).await;
    assert_eq!(stream.next().await.unwrap().name, "status");

    assert!(
        Command::new("kill")
            .arg(pid.to_string())
            .status()
            .await
            .unwrap()
            .success()
    );
    let status = tokio::time::timeout(DEADLINE, child.wait())
        .await
        .expect("it stops in time")
        .unwrap();
    assert!(status.success(), "{status}");
    assert!(stream.rest().await.iter().all(|event| event.name != "done"));

    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .await
        .unwrap();
    let entries: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        log.contains(
            "CODEX_AUDIT_DAY is set, but is no setting of codex-gateway; is CODEX_AUDIT_DAYS meant?"
        ),
        "{log}"
    );
    let answered = entries
        .iter()
        .find(|entry| entry["span"]["request.id"] == "r-17")
        .unwrap_or_else(|| panic!("{log}"));
    assert_eq!(answered["http.status"], 200);
    assert!(
        entries.iter().any(|entry| entry["task.id"] == id.as_str()),
        "{log}"
    );
    let token = first.token.unwrap();
    for secret in [
        PASSWORD,
        PROMPT,
        "some value",
        "in-the-query",
        token.as_str(),
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn all_mistakes_of_the_configuration_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let secret = "s3cr3t-of-this-test";
    let settings: Vec<(&str, String)> = vec![
        ("CODEX_LISTEN", "nowhere".into()),
        ("CODEX_DATABASE_URL", format!("mysql://u:{secret}@h/d")),
        ("CODEX_LIVE_STORE", "hub:/run/hub.sock".into()),
        ("CODEX_ARCHIVE", format!("https://key:{secret}@bucket")),
        ("CODEX_JWT_KEY_DIR", dir.path().display().to_string()),
        ("CODEX_OIDC_ISSUER", "https://login.example".into()),
        ("CODEX_OIDC_CLIENT_SECRET", secret.into()),
        ("CODEX_OIDC_CLIENT_SECRET_FILE", file("oidc", secret)),
        ("CODEX_REDIS_PASSWORD_FILE", file("redis", "\n")),
        ("CODEX_ADMIN_PASSWORD_FILE", file("admin", &secret[..6])),
        ("CODEX_WEB_DIR", "/no/such/folder".into()),
        ("CODEX_IOS_APPS", "io.codexrunner.mobile".into()),
        ("CODEX_ANDROID_APPS", "io.codexrunner.mobile=AB:CD".into()),
    ];
    let output = program().envs(settings).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    for mistake in [
        "codex-gateway cannot start",
        "CODEX_LISTEN is \"nowhere\"",
        "CODEX_DATABASE_URL cannot be used (its value is not shown): write postgres://",
        "CODEX_ARCHIVE is \"https://***@bucket\", which cannot be used: use file:///folder",
        "holds no key; write one to",
        "CODEX_OIDC_ISSUER needs CODEX_OIDC_CLIENT_ID, which is not set",
        "CODEX_OIDC_ISSUER needs CODEX_PUBLIC_URL, which is not set",
        "CODEX_OIDC_CLIENT_SECRET and CODEX_OIDC_CLIENT_SECRET_FILE are both set",
        "CODEX_REDIS_PASSWORD_FILE: ",
        "redis is empty",
        "CODEX_REDIS_PASSWORD_FILE is set, but no Redis is",
        "admin holds cannot be used: a password has 8 to 1024 bytes",
        "CODEX_ADMIN_PASSWORD_FILE needs CODEX_ADMIN_EMAIL",
        "CODEX_WEB_DIR is \"/no/such/folder\", which cannot be used: No such file",
        "CODEX_IOS_APPS is \"io.codexrunner.mobile\", which cannot be used: write the id of the team",
        "CODEX_ANDROID_APPS is \"io.codexrunner.mobile=AB:CD\", which cannot be used: the fingerprint after `=`",
    ] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(!told.contains(&secret[..6]), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_the_configuration_are_told() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("CODEX_LIVE_STORE", "redis:x")], "CODEX_LIVE_STORE"),
        (
            &[
                ("CODEX_LIVE_STORE", "hub:/x"),
                ("CODEX_JWT_KEY_FILE", "/nowhere/key.pem"),
            ],
            "/nowhere/key.pem",
        ),
        (
            &[
                ("CODEX_LIVE_STORE", "hub:/x"),
                ("CODEX_JWT_KEY_FILE", "/dev/null"),
            ],
            "CODEX_JWT_KEY_FILE: /dev/null is empty",
        ),
    ];
    for (env, told) in cases {
        let output = program()
            .envs([
                ("CODEX_JWT_KEY_FILE", "/dev/null"),
                ("CODEX_ARCHIVE", "file:///x"),
            ])
            .envs(env.iter().copied())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && text.contains(told),
            "{told}: {text}"
        );
    }
}

/// Who wants Redis to prove who it is has to ask for TLS; without it the authorities would be for nothing, and nobody would know.
#[tokio::test]
async fn authorities_without_tls_are_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let authorities = dir.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["redis.example".to_owned()]).unwrap();
    std::fs::write(&authorities, made.cert.pem()).unwrap();
    let secret = "s3cr3t-of-this-test";
    for (live, counts, mistake) in [
        (
            "redis://live.example",
            "rediss://counts.example",
            "CODEX_LIVE_STORE names a Redis without TLS",
        ),
        (
            "rediss://live.example",
            "redis://counts.example",
            "CODEX_REDIS_URL names a Redis without TLS",
        ),
    ] {
        let output = program()
            .env("CODEX_REDIS_CA_FILE", &authorities)
            .env(
                "CODEX_LIVE_STORE",
                live.replace("://", &format!("://:{secret}@")),
            )
            .env(
                "CODEX_REDIS_URL",
                counts.replace("://", &format!("://:{secret}@")),
            )
            .output()
            .await
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(mistake) && !told.contains(secret), "{told}");
        assert_eq!(told.matches("without TLS").count(), 1, "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
}
