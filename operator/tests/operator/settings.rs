//! The settings of the program.

use std::process::Command;

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_codex-operator"))
        .env_clear()
        .envs([
            ("CODEX_NAMESPACE", "Not_A_Name"),
            ("CODEX_POD_PROXY_URL", "https://proxy"),
            ("CODEX_TASK_TOKEN_KEY", "s3cret"),
            ("CODEX_LIVE_STORE", "redis://:s3cret@x:port"),
            ("CODEX_REDIS_CA_FILE", "/nonexistent/ca.pem"),
            ("CODEX_ARCHIVE", "s3://key:s3cret@logs"),
            ("CODEX_SPOOL_TASK_BYTES", "2000000"),
            ("CODEX_SPOOL_TOTAL_BYTES", "1000000"),
            ("CODEX_DEFAULT_MEMORY", "4GB"),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    for mistake in [
        "codex-operator cannot start; its settings have 9 mistakes:",
        "CODEX_NAMESPACE is \"Not_A_Name\"",
        "CODEX_POD_PROXY_URL is \"https://proxy\", which cannot be used: write http://HOST:PORT",
        "CODEX_TASK_TOKEN_KEY cannot be used (its value is not shown): it is not an Ed25519",
        "CODEX_LIVE_STORE cannot be used (its value is not shown)",
        "/nonexistent/ca.pem",
        "CODEX_ARCHIVE is \"s3://***@logs\"",
        "CODEX_SPOOL_TASK_BYTES is 2000000, which is more than CODEX_SPOOL_TOTAL_BYTES with 1000000",
        "CODEX_DEFAULT_MEMORY is \"4GB\"",
        "one of these has to be set: CODEX_NONCE_KEY or CODEX_NONCE_KEY_FILE",
    ] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

/// Who wants Redis to prove who it is has to ask for TLS, and who names a password has to name a Redis.
#[test]
fn settings_of_redis_that_are_for_nothing_are_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let authorities = dir.path().join("ca.pem");
    let made = rcgen::generate_simple_self_signed(["redis.example".to_owned()]).unwrap();
    std::fs::write(&authorities, made.cert.pem()).unwrap();
    let authorities = authorities.to_str().unwrap();
    for (live, name, value, mistake) in [
        (
            "redis://:s3cret@live.example",
            "CODEX_REDIS_CA_FILE",
            authorities,
            "CODEX_REDIS_CA_FILE is set, but CODEX_LIVE_STORE names a Redis without TLS",
        ),
        (
            "hub:/run/hub.sock",
            "CODEX_REDIS_CA_FILE",
            authorities,
            "CODEX_REDIS_CA_FILE is set, but no Redis is: write its address into CODEX_LIVE_STORE",
        ),
        (
            "hub:/run/hub.sock",
            "CODEX_REDIS_PASSWORD",
            "s3cret",
            "CODEX_REDIS_PASSWORD is set, but no Redis is: write its address into CODEX_LIVE_STORE",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_codex-operator"))
            .env_clear()
            .envs([("CODEX_LIVE_STORE", live), (name, value)])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(mistake) && !told.contains("s3cret"), "{told}");
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
}
