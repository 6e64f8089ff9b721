//! What stands in the way is said in words that help.

use std::{fs, net::TcpListener, process::Command};

use crate::stack::{PROGRAM, programs_present};

#[test]
fn programs_that_are_missing_are_all_named() {
    let dir = tempfile::tempdir().unwrap();
    let alone = dir.path().join("codex-remote");
    fs::copy(PROGRAM, &alone).unwrap();
    let output = Command::new(&alone)
        .args(["up", "--demo-model", "--data"])
        .arg(dir.path().join("data"))
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for word in [
        "codex-gateway",
        "codex-operator",
        "codex-runner",
        "cargo build",
        "npm ci",
    ] {
        assert!(said.contains(word), "{word} is missing in {said}");
    }
    assert!(output.stdout.is_empty());
    assert!(
        !dir.path().join("data").exists(),
        "nothing may be left behind"
    );
}

#[test]
fn an_address_in_use_is_named_before_anything_starts() {
    if !programs_present() {
        return;
    }
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let output = crate::stack::command(dir.path(), &["--listen", &address])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&address) && said.contains("--listen"),
        "{said}"
    );
    assert!(!said.contains("starting"), "{said}");
}
