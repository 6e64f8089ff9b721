use super::*;

fn secrets() -> Secrets {
    Secrets {
        token: Some("t".into()),
        nonce: Some("n".into()),
    }
}

fn vars(change: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
    let base = [
        ("CODEX_TASK_ID", "t1"),
        ("CODEX_TASK_PROMPT_FILE", "/run/codex/prompt"),
        ("CODEX_TASK_CWD", "/srv/repos/demo"),
        ("CODEX_REPOSITORY_PATH", "/srv/repos/demo"),
        ("CODEX_POD_PROXY_URL", "http://127.0.0.1:8787"),
    ];
    base.iter()
        .chain(change)
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

#[test]
fn the_defaults_are_those_of_the_image() {
    let config = Config::from_vars(vars(&[]), secrets()).unwrap();
    assert_eq!(config.codex, PathBuf::from("/opt/codex/bin/codex"));
    assert_eq!(config.workspace, PathBuf::from("/workspace"));
    assert_eq!(config.grace, Duration::from_secs(20));
    assert_eq!(config.model, None);
    assert!(config.env.is_empty() && config.mcp_servers.is_empty());
}

#[test]
fn what_is_missing_is_named() {
    for name in [
        "CODEX_TASK_ID",
        "CODEX_TASK_PROMPT_FILE",
        "CODEX_TASK_CWD",
        "CODEX_POD_PROXY_URL",
    ] {
        let error = Config::from_vars(vars(&[(name, "")]), secrets()).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{name} is not set")),
            "{error}"
        );
    }
    let error = Config::from_vars(
        vars(&[]),
        Secrets {
            nonce: None,
            ..secrets()
        },
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("CODEX_FRAME_NONCE is not set"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_refused() {
    for (name, value) in [
        ("CODEX_TASK_CWD", "srv/repos"),
        ("CODEX_GRACE_SECONDS", "0"),
        ("CODEX_GRACE_SECONDS", "soon"),
        ("CODEX_LOG_BUDGET_BYTES", "4Mi"),
        ("CODEX_SPOOL_BYTES", "-1"),
        ("CODEX_POD_PROXY_URL", "https://proxy"),
        ("CODEX_POD_PROXY_URL", "127.0.0.1:80"),
        ("CODEX_MCP_SERVERS", "[]"),
    ] {
        let error = Config::from_vars(vars(&[(name, value)]), secrets()).unwrap_err();
        assert!(
            matches!(error.0[..], [ConfigError::Invalid { name: found, .. }] if found == name),
            "{name}={value}"
        );
    }
    let nonce = Secrets {
        nonce: Some("a\"b".into()),
        ..secrets()
    };
    assert!(Config::from_vars(vars(&[]), nonce).is_err());
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let wrong = vars(&[
        ("CODEX_TASK_ID", ""),
        ("CODEX_TASK_CWD", "srv/repos"),
        ("CODEX_POD_PROXY_URL", "https://proxy"),
        ("CODEX_GRACE_SECONDS", "soon"),
        ("CODEX_MCP_SERVERS", "[]"),
    ]);
    let nonce = Secrets {
        nonce: Some("s3cret\"".into()),
        ..secrets()
    };
    let told = Config::from_vars(wrong, nonce).unwrap_err().to_string();
    let names = [
        "CODEX_TASK_ID",
        "CODEX_TASK_CWD",
        "CODEX_POD_PROXY_URL",
        "CODEX_FRAME_NONCE",
        "CODEX_GRACE_SECONDS",
        "CODEX_MCP_SERVERS",
    ];
    assert!(
        told.lines()
            .zip(names)
            .all(|(line, name)| line.starts_with(name)),
        "{told}"
    );
    assert_eq!(told.lines().count(), names.len());
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn the_variables_of_the_task_lose_their_prefix() {
    let given = vars(&[("CODEX_ENV_CI", "1"), ("CODEX_ENV_", "x"), ("OTHER", "2")]);
    let config = Config::from_vars(given, secrets()).unwrap();
    assert_eq!(config.env, BTreeMap::from([("CI".into(), "1".into())]));
}
