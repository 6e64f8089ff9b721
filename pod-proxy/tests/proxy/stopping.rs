//! The end of a proxy, and the program around it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{
    Limits, Proxy, REAL_KEY, claims, client, eventually, sign, upstream::Upstream,
};

async fn ready(proxy: &Proxy) -> u16 {
    client()
        .get(format!("http://{}/readyz", proxy.admin))
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn responses_under_way_are_finished() {
    let (address, upstream) = Upstream::start().await;
    let mut proxy = Proxy::start(address).await;
    assert_eq!(ready(&proxy).await, 200);
    let mut response = proxy.request("two-chunks").send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    proxy.shutdown.cancel();
    eventually("no new connection is taken", async || {
        proxy.request("ok").send().await.is_err()
    })
    .await;
    assert_eq!(ready(&proxy).await, 503);
    upstream.go_on.notify_one();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "second");
    assert!(response.chunk().await.unwrap().is_none());
    tokio::time::timeout(Duration::from_secs(10), proxy.serving.take().unwrap())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn responses_that_take_too_long_are_broken_off() {
    let (address, upstream) = Upstream::start().await;
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let mut proxy = Proxy::start_with(address, limits).await;
    let mut response = proxy.request("two-chunks").send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "first");
    proxy.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(10), proxy.serving.take().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(response.chunk().await.is_err());
    eventually("the work upstream has ended", async || upstream.busy() == 0).await;
}

#[tokio::test]
async fn the_program_logs_no_secret_and_stops_when_told() {
    let (address, upstream) = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let signing_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    std::fs::write(folder.path().join("key"), REAL_KEY).unwrap();
    std::fs::write(
        folder.path().join("public.pem"),
        signing_key.public_key_pem(),
    )
    .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_codex-pod-proxy"))
        .env("CODEX_LISTEN", "127.0.0.1:0")
        .env("CODEX_ADMIN_LISTEN", "127.0.0.1:0")
        .env("CODEX_UPSTREAM_URL", format!("http://{address}/v1"))
        .env("CODEX_UPSTREAM_KEY_FILE", folder.path().join("key"))
        .env(
            "CODEX_TASK_TOKEN_PUBLIC_KEY_FILE",
            folder.path().join("public.pem"),
        )
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Read on a thread of its own, so that the program never waits for room in the pipe.
    let mut stderr = program.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["ready"], true);

    let token = sign(&claims("task-1"), &signing_key);
    let url = format!("{}/v1/responses", ready["url"].as_str().unwrap());
    let request = client()
        .post(url)
        .bearer_auth(&token)
        .header("x-behaviour", "ok")
        .body("the secret prompt");
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(upstream.count(), 1);

    let pid = program.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(program.wait().unwrap().success());
    let log = log.join().unwrap();
    assert!(
        log.contains("passed a model request") && log.contains("task-1"),
        "{log}"
    );
    for secret in [REAL_KEY, &token, "the secret prompt"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn everything_that_is_wrong_with_the_configuration_is_told_at_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_codex-pod-proxy"))
        .env_clear()
        .env("CODEX_UPSTREAM_KEY", "s3cret")
        .args([
            "--listen=127.0.0.1:8787",
            "--admin-listen=127.0.0.1:8787",
            "--upstream-url=http://me:s3cret@127.0.0.1:1/v1",
            "--upstream-key-file=/nonexistent/key",
            "--task-token-public-key-file=/nonexistent/pem",
            "--max-connections=0",
            "--drain-seconds=soon",
        ])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    for mistake in [
        "--listen and --admin-listen are both 127.0.0.1:8787",
        "--upstream-url is \"http://***@127.0.0.1:1/v1\", which cannot be used",
        "CODEX_UPSTREAM_KEY and --upstream-key-file are both set",
        "--upstream-key-file is \"/nonexistent/key\", which cannot be used: No such file",
        "--task-token-public-key-file is \"/nonexistent/pem\"",
        "--max-connections is \"0\"",
        "--drain-seconds is \"soon\"",
    ] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}
