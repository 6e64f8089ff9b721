//! From start to stop, with deaths in between.

use std::{fs, os::unix::fs::MetadataExt as _, process::Command, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::stack::{Stack, command, is_alive, programs_present, until};

#[tokio::test]
async fn it_starts_survives_deaths_and_stops_without_a_trace() {
    if !programs_present() {
        return;
    }
    // The test calls reqwest, which finds its TLS provider in the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut stack = Stack::start();
    the_ready_line_is_true(&stack).await;
    the_cluster_is_furnished(&stack);
    parts_get_no_environment_and_files_are_private(&stack);
    a_second_up_is_refused(&stack);
    a_task_from_a_file_runs(&stack);

    for part in [
        "gateway",
        "operator",
        "pod-proxy",
        "postgres",
        "local-cluster",
    ] {
        a_part_comes_back(&stack, part);
    }
    the_ready_line_is_true(&stack).await;

    let (before, old) = (stack.ready.clone(), stack.pids());
    stack.kill_and_start_again();
    assert_eq!(stack.ready, before, "address, password and kubeconfig stay");
    assert!(
        old.iter().all(|pid| !is_alive(*pid)),
        "something of the killed run lives on"
    );
    the_ready_line_is_true(&stack).await;

    let parts = stack.pids();
    assert_eq!(parts.len(), 6);
    let (content, said) = stack.stop();
    assert!(content, "{said}");
    assert!(said.trim_end().ends_with("stopped"), "{said}");
    assert!(
        !said.contains("kill"),
        "a part did not stop by itself:\n{said}"
    );
    for pid in parts {
        assert!(!is_alive(pid), "process {pid} lives on");
    }
    assert!(!stack.data().join("run.json").exists());
}

/// One can sign in with what it says, at the address that it says.
async fn the_ready_line_is_true(stack: &Stack) {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let mut credentials =
        json!({"email": stack.ready["email"], "password": stack.ready["password"]});
    let login = log_in(&http, stack, &credentials).await;
    assert_eq!(login.status(), StatusCode::OK);
    let answer: Value = login.json().await.unwrap();
    let token = answer["access_token"].as_str().unwrap();

    let list = http
        .get(stack.url("/api/repositories"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(list.status(), StatusCode::OK);
    assert!(list.text().await.unwrap().contains("/srv/repos/demo"));

    credentials["password"] = "something else".into();
    let login = log_in(&http, stack, &credentials).await;
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);
    let file = fs::read_to_string(stack.data().join("admin-password")).unwrap();
    assert_eq!(file, stack.ready["password"].as_str().unwrap());
}

async fn log_in(http: &reqwest::Client, stack: &Stack, credentials: &Value) -> reqwest::Response {
    let request = http.post(stack.url("/auth/login")).json(credentials);
    request.send().await.unwrap()
}

fn the_cluster_is_furnished(stack: &Stack) {
    let definitions = kubectl(stack, &["get", "crd", "-o", "name"]);
    assert!(
        definitions.contains("codextasks.codexrunner.io"),
        "{definitions}"
    );
    let repository = kubectl(
        stack,
        &[
            "-n",
            "codex-tasks",
            "get",
            "codexrepository",
            "demo",
            "-o",
            "json",
        ],
    );
    let repository: Value = serde_json::from_str(&repository).unwrap();
    assert_eq!(
        repository["metadata"]["annotations"]["codexrunner.io/default"],
        "true"
    );

    let yaml = "apiVersion: codexrunner.io/v1alpha1\nkind: CodexRepository\nmetadata: {name: other}\n\
                spec: {path: /srv/repos/other, source: {hostPath: {path: /tmp}}}\n";
    apply(stack, yaml, "codexrepository/other applied\n");
    assert!(kubectl(stack, &["-n", "codex-tasks", "get", "crepo"]).contains("/srv/repos/other"));
}

/// A task that never saw the gateway runs all the same, with Codex and the scripted model.
fn a_task_from_a_file_runs(stack: &Stack) {
    let task = "apiVersion: codexrunner.io/v1alpha1\nkind: CodexTask\nmetadata: {name: from-a-file}\n\
                spec: {prompt: '[demo:say all is well]'}\n";
    apply(stack, task, "codextask/from-a-file applied\n");
    let phase = || {
        let path = "jsonpath={.status.phase} {.status.exitCode} {.status.message}";
        kubectl(
            stack,
            &[
                "-n",
                "codex-tasks",
                "get",
                "ctask",
                "from-a-file",
                "-o",
                path,
            ],
        )
    };
    until("the task to end", || {
        !phase().starts_with("queued")
            && !phase().starts_with("running")
            && !phase().starts_with(' ')
    });
    assert!(phase().starts_with("completed 0"), "{}", phase());
}

fn kubectl(stack: &Stack, arguments: &[&str]) -> String {
    let program = std::env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
    let output = Command::new(program)
        .arg("--kubeconfig")
        .arg(stack.ready["kubeconfig"].as_str().unwrap())
        .args(arguments)
        .env("HOME", stack.data())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn apply(stack: &Stack, yaml: &str, expected: &str) {
    let file = stack.data().join("applied.yaml");
    fs::write(&file, yaml).unwrap();
    let output = Command::new(crate::stack::PROGRAM)
        .args(["apply", "-f"])
        .arg(&file)
        .arg("--data")
        .arg(stack.data())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

fn parts_get_no_environment_and_files_are_private(stack: &Stack) {
    for part in [
        "gateway",
        "operator",
        "pod-proxy",
        "local-cluster",
        "postgres",
        "demo-model",
    ] {
        let environment = fs::read(format!("/proc/{}/environ", stack.pid(part))).unwrap();
        let environment = String::from_utf8_lossy(&environment);
        assert!(
            !environment.contains("CODEX_TEST_CANARY"),
            "{part}: {environment}"
        );
        assert!(
            !environment.contains(stack.ready["password"].as_str().unwrap()),
            "{part}"
        );
    }
    for path in ["secrets", "logs", "archive", "admin-password", "run"] {
        let mode = fs::metadata(stack.data().join(path)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{path} is open to others: {mode:o}");
    }
}

fn a_second_up_is_refused(stack: &Stack) {
    let output = command(stack.data(), &["--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("another `codex-remote up`"), "{said}");
}

fn a_part_comes_back(stack: &Stack, part: &str) {
    let before = stack.state()["processes"][part].clone();
    let pid = stack.pid(part);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    until(&format!("{part} to be back"), || {
        let now = &stack.state()["processes"][part];
        now["ready"] == true && now["pid"] != before["pid"]
    });
    assert_eq!(
        stack.state()["processes"][part]["url"],
        before["url"],
        "{part} moved"
    );
}
