//! What the planned Pod looks like, and that it is as restricted as promised.

#![expect(
    clippy::needless_pass_by_value,
    reason = "literals of JSON read better without borrows"
)]

use std::sync::Arc;

use clap::Parser as _;
use codex_crds::{CodexRepository, CodexTask};
use serde_json::{Value, json};

use super::*;
use crate::plan::{Refusal, check};

mod security;

pub(crate) fn config(more: &[&str]) -> Config {
    let base = [
        "codex-operator",
        "--pod-proxy-url=http://10.0.0.7:8787",
        "--live-store=hub:/s",
        "--archive=file:///a",
    ];
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let keys = [
        format!("--task-token-key={}", key.serialize_pem()),
        format!("--nonce-key={}", "n".repeat(32)),
    ];
    let keys = keys.iter().map(String::as_str);
    Config::try_parse_from(base.into_iter().chain(keys).chain(more.iter().copied())).unwrap()
}

fn task(spec: Value) -> CodexTask {
    serde_json::from_value(json!({
        "metadata": {"name": "0190d9f5-0000-7000-8000-0123456789ab", "uid": "uid-1", "namespace": "codex-tasks"},
        "spec": spec,
    }))
    .unwrap()
}

fn repository(more: Value) -> Vec<Arc<CodexRepository>> {
    let mut spec = json!({"path": "/srv/repos/app",
        "source": {"persistentVolumeClaim": {"claimName": "repos", "subPath": "app"}}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let repository = json!({"metadata": {"name": "app"}, "spec": spec});
    vec![Arc::new(serde_json::from_value(repository).unwrap())]
}

fn planned(task: &CodexTask, repositories: &[Arc<CodexRepository>], config: &Config) -> Value {
    let checked = check(task, repositories, config).unwrap();
    let user_namespace = match config.user_namespaces {
        crate::config::UserNamespaces::Always => UserNamespace::Own,
        _ => UserNamespace::OfNode,
    };
    serde_json::to_value(pod(&checked, config, user_namespace)).unwrap()
}

fn env(pod: &Value, name: &str) -> Option<Value> {
    pod["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .find(|variable| variable["name"] == name)
        .cloned()
}

#[test]
fn the_whole_pod() {
    let task = task(
        json!({"prompt": "Secret words", "user": "ada", "cwd": "/srv/repos/app/web",
        "env": {"CI": "1"}, "model": "m-1", "timeoutSeconds": 90}),
    );
    let pod = planned(&task, &repository(json!({})), &config(&[]));
    assert_eq!(
        pod,
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "codex-0190d9f5-0000-7000-8000-0123456789ab",
                "namespace": "codex-tasks",
                "labels": {
                    "app.kubernetes.io/managed-by": "codex-operator",
                    "codexrunner.io/task": "0190d9f5-0000-7000-8000-0123456789ab",
                    "codexrunner.io/user-hash": "fdee430d40bd57de",
                },
                "finalizers": ["codexrunner.io/operator"],
                "ownerReferences": [{
                    "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexTask",
                    "name": "0190d9f5-0000-7000-8000-0123456789ab", "uid": "uid-1",
                    "controller": true, "blockOwnerDeletion": true,
                }],
            },
            "spec": {
                "restartPolicy": "Never",
                "activeDeadlineSeconds": 90,
                "terminationGracePeriodSeconds": 30,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["127.0.0.1"]},
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 10001, "runAsGroup": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "codex",
                    "image": "codex-runner:local",
                    "command": ["/usr/local/bin/codex-runner"],
                    "env": [
                        {"name": "CODEX_TASK_ID", "value": "0190d9f5-0000-7000-8000-0123456789ab"},
                        {"name": "CODEX_TASK_PROMPT_FILE", "value": "/run/codex/prompt"},
                        {"name": "CODEX_TASK_CWD", "value": "/srv/repos/app/web"},
                        {"name": "CODEX_REPOSITORY_PATH", "value": "/srv/repos/app"},
                        {"name": "CODEX_POD_PROXY_URL", "value": "http://10.0.0.7:8787"},
                        {"name": "CODEX_GRACE_SECONDS", "value": "25"},
                        {"name": "CODEX_LOG_BUDGET_BYTES", "value": "4194304"},
                        {"name": "CODEX_SPOOL_BYTES", "value": "67108864"},
                        {"name": "CODEX_TASK_TOKEN", "valueFrom": {"secretKeyRef": {
                            "name": "codex-0190d9f5-0000-7000-8000-0123456789ab", "key": "token", "optional": false}}},
                        {"name": "CODEX_FRAME_NONCE", "valueFrom": {"secretKeyRef": {
                            "name": "codex-0190d9f5-0000-7000-8000-0123456789ab", "key": "nonce", "optional": false}}},
                        {"name": "CODEX_MODEL", "value": "m-1"},
                        {"name": "CODEX_ENV_CI", "value": "1"},
                    ],
                    "resources": {
                        "limits": {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "10Gi"},
                        "requests": {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "10Gi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": false, "privileged": false,
                        "readOnlyRootFilesystem": true, "runAsNonRoot": true,
                        "runAsUser": 10001, "runAsGroup": 10001,
                        "capabilities": {"drop": ["ALL"]},
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "volumeMounts": [
                        {"name": "repository", "mountPath": "/srv/repos/app", "readOnly": true, "subPath": "app"},
                        {"name": "task", "mountPath": "/run/codex", "readOnly": true},
                        {"name": "workspace", "mountPath": "/workspace"},
                        {"name": "codex-home", "mountPath": "/codex-home"},
                        {"name": "tmp", "mountPath": "/tmp"},
                    ],
                }],
                "volumes": [
                    {"name": "repository", "persistentVolumeClaim": {"claimName": "repos", "readOnly": true}},
                    {"name": "task", "secret": {
                        "secretName": "codex-0190d9f5-0000-7000-8000-0123456789ab",
                        "items": [{"key": "prompt", "path": "prompt"}],
                        "defaultMode": 292, "optional": false}},
                    {"name": "workspace", "emptyDir": {"sizeLimit": "10Gi"}},
                    {"name": "codex-home", "emptyDir": {"sizeLimit": "1Gi"}},
                    {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},
                ],
            },
        })
    );
    assert!(!pod.to_string().contains("Secret words"));
}

#[test]
fn the_task_wins_over_the_repository_and_that_over_the_defaults() {
    let repositories = repository(json!({
        "model": "m-repo", "timeoutSeconds": 600, "env": {"A": "repo", "B": "repo"},
        "resources": {"cpu": "100m", "memory": "256Mi"},
        "mcpServers": {"docs": {"command": "docs-mcp"}},
    }));
    let config = config(&["--default-model=m-default"]);
    let pod = planned(
        &task(json!({"prompt": "p", "env": {"B": "$(HOME)"}})),
        &repositories,
        &config,
    );
    assert_eq!(env(&pod, "CODEX_MODEL").unwrap()["value"], "m-repo");
    assert_eq!(env(&pod, "CODEX_ENV_A").unwrap()["value"], "repo");
    // Kubernetes would expand it; what the user wrote must arrive.
    assert_eq!(env(&pod, "CODEX_ENV_B").unwrap()["value"], "$$(HOME)");
    assert_eq!(
        env(&pod, "CODEX_MCP_SERVERS").unwrap()["value"],
        r#"{"docs":{"command":"docs-mcp"}}"#
    );
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 600);
    let resources = &pod["spec"]["containers"][0]["resources"];
    assert_eq!(resources["requests"]["cpu"], "100m");
    assert_eq!(resources["limits"]["memory"], "256Mi");
    assert_eq!(resources["requests"]["memory"], "256Mi");
    let pod = planned(
        &task(json!({"prompt": "p"})),
        &repository(json!({})),
        &config,
    );
    assert_eq!(env(&pod, "CODEX_MODEL").unwrap()["value"], "m-default");
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 3600);
}

#[test]
fn dns_is_there_only_where_it_is_needed() {
    let task = task(json!({"prompt": "p"}));
    let dns = |more: &[&str]| {
        let pod = planned(&task, &repository(json!({})), &config(more));
        pod["spec"]["dnsPolicy"].clone()
    };
    assert_eq!(dns(&["--pod-proxy-url=http://pod-proxy:8787"]), Value::Null);
    let aliased = [
        "--pod-proxy-url=http://pod-proxy:8787",
        "--host-aliases=10.0.0.7=pod-proxy",
    ];
    assert_eq!(dns(&aliased), "None");
    assert_eq!(dns(&["--pod-proxy-url=http://[fd00::7]:8787/"]), "None");
    let pod = planned(&task, &repository(json!({})), &config(&aliased));
    assert_eq!(
        pod["spec"]["hostAliases"],
        json!([{"ip": "10.0.0.7", "hostnames": ["pod-proxy"]}])
    );
}

#[test]
fn options_of_the_cluster_are_passed_on() {
    let more = [
        "--runtime-class=gvisor",
        "--user-namespaces=true",
        "--grace-seconds=60",
        "--priority-class=batch",
        "--node-selector=pool=codex,kubernetes.io/arch=amd64",
        "--tolerations=dedicated=codex:NoSchedule,spot",
    ];
    let pod = planned(
        &task(json!({"prompt": "p"})),
        &repository(json!({})),
        &config(&more),
    );
    assert_eq!(pod["spec"]["runtimeClassName"], "gvisor");
    assert_eq!(pod["spec"]["hostUsers"], false);
    assert_eq!(pod["spec"]["priorityClassName"], "batch");
    assert_eq!(
        pod["spec"]["nodeSelector"],
        json!({"pool": "codex", "kubernetes.io/arch": "amd64"})
    );
    assert_eq!(
        pod["spec"]["tolerations"],
        json!([
            {"key": "dedicated", "operator": "Equal", "value": "codex", "effect": "NoSchedule"},
            {"key": "spot", "operator": "Exists"},
        ])
    );
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 60);
    assert_eq!(env(&pod, "CODEX_GRACE_SECONDS").unwrap()["value"], "55");
}

#[test]
fn a_task_that_continues_another_is_told_which() {
    let task = task(json!({"prompt": "x", "resumeFrom": "0190d9f5-1111-7000-8000-0123456789ab"}));
    let config = config(&["--spool-bytes=0", "--log-budget-bytes=1000"]);
    let pod = planned(&task, &repository(json!({})), &config);
    for (name, value) in [
        ("CODEX_RESUME_FROM", "0190d9f5-1111-7000-8000-0123456789ab"),
        ("CODEX_SPOOL_BYTES", "0"),
        ("CODEX_LOG_BUDGET_BYTES", "1000"),
    ] {
        assert_eq!(env(&pod, name).unwrap()["value"], value);
    }
}

#[test]
fn the_queue_is_that_of_the_task_or_of_the_configuration() {
    let queue = |spec: Value, more: &[&str]| {
        let pod = planned(&task(spec), &repository(json!({})), &config(more));
        pod["metadata"]["labels"]["kueue.x-k8s.io/queue-name"].clone()
    };
    let default = ["--kueue-queue=everybody"];
    assert_eq!(queue(json!({"prompt": "p"}), &[]), Value::Null);
    assert_eq!(queue(json!({"prompt": "p"}), &default), "everybody");
    let named = json!({"prompt": "p", "queueName": "team-a"});
    assert_eq!(queue(named, &default), "team-a");
}
