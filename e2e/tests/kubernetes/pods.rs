//! The Pod that the operator plans, before the admission of a real API server: accepted where `restricted` is enforced, and only as it is.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use codex_crds::{CodexRepository, CodexTask};
use codex_operator::Config;
use codex_operator::config::UserNamespaces;
use codex_operator::plan::{self, UserNamespace};
use http::Method;
use serde_json::{Value, json};

use crate::Case;
use crate::world::{Answer, World};

pub(crate) const CASES: &[Case] = &[
    (
        "pods::what_is_planned_is_accepted",
        what_is_planned_is_accepted,
    ),
    ("pods::host_folders_are_refused", host_folders_are_refused),
    (
        "pods::each_restriction_is_needed",
        each_restriction_is_needed,
    ),
];

const CLAIM: &str = r#"{"persistentVolumeClaim": {"claimName": "repos", "subPath": "app"}}"#;

/// A few tasks, repositories and settings of the operator.
fn plans(namespace: &str) -> Result<Vec<(String, Value)>> {
    let claim: Value = serde_json::from_str(CLAIM)?;
    let plain = json!({"path": "/srv/repos/app", "source": claim});
    let much = json!({
        "path": "/srv/repos/group/app", "source": claim, "model": "m-1", "timeoutSeconds": 600, "env": {"CI": "1"},
        "prePrompt": "Be kind.", "mcpServers": {"docs": {"command": "docs-mcp", "args": ["-v"]}},
        "resources": {"cpu": "100m", "memory": "256Mi", "ephemeralStorage": "1Gi"},
    });
    let settings: &[&[&str]] = &[
        &[],
        &[
            "--pod-proxy-url=http://pod-proxy:8787",
            "--host-aliases=10.0.0.7=pod-proxy",
        ],
        &["--pod-proxy-url=http://pod-proxy.codex-system.svc:8787"],
        &[
            "--user-namespaces=true",
            "--grace-seconds=60",
            "--default-model=m-2",
        ],
    ];
    let mut plans = Vec::new();
    for more in settings {
        for (repository, spec) in [("plain", &plain), ("much", &much)] {
            for task in [
                json!({"prompt": "p"}),
                json!({"prompt": "p", "user": "ada@example.com", "env": {"A": "$(HOME)", "B_1": ""}, "timeoutSeconds": 5,
                    "resumeFrom": "0190d9f5-1111-7000-8000-0123456789ab"}),
            ] {
                let number = plans.len();
                let what = format!("{repository} {more:?} {task}");
                plans.push((what, planned(namespace, number, task, spec, more)?));
            }
        }
    }
    Ok(plans)
}

/// The Pod that the operator makes of a task.
fn planned(
    namespace: &str,
    number: usize,
    task: Value,
    repository: &Value,
    more: &[&str],
) -> Result<Value> {
    let task: CodexTask = serde_json::from_value(json!({
        "metadata": {
            "name": format!("0190d9f5-0000-7000-8000-{number:012}"),
            "uid": format!("0190d9f5-2222-7000-8000-{number:012}"),
            "namespace": namespace,
        },
        "spec": task,
    }))?;
    let repository: CodexRepository =
        serde_json::from_value(json!({"metadata": {"name": "app"}, "spec": repository}))?;
    let config = config(more)?;
    let repositories = [Arc::new(repository)];
    let checked = plan::check(&task, &repositories, &config)?;
    let user_namespace = match config.user_namespaces {
        UserNamespaces::Always => UserNamespace::Own,
        UserNamespaces::Auto | UserNamespaces::Never => UserNamespace::OfNode,
    };
    Ok(serde_json::to_value(plan::pod(
        &checked,
        &config,
        user_namespace,
    ))?)
}

fn config(more: &[&str]) -> Result<Config> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut arguments = vec![
        "codex-operator".to_owned(),
        "--pod-proxy-url=http://10.0.0.7:8787".into(),
        "--live-store=hub:/s".into(),
        "--archive=file:///a".into(),
        format!("--task-token-key={}", key.serialize_pem()),
        format!("--nonce-key={}", "n".repeat(32)),
    ];
    arguments.extend(more.iter().map(|&flag| flag.to_owned()));
    Ok(clap::Parser::try_parse_from(arguments)?)
}

fn restricted(world: &World, what: &str) -> Result<String> {
    let namespace = world.fresh_name(what);
    let labels = json!({
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    });
    world.block_on(world.real.create_namespace(&namespace, labels))?;
    Ok(namespace)
}

fn create(world: &World, namespace: &str, pod: &Value, query: &str) -> Result<Answer> {
    let path = format!("/api/v1/namespaces/{namespace}/pods{query}");
    world.block_on(world.real.send(Method::POST, &path, &[], pod.to_string()))
}

fn what_is_planned_is_accepted(world: &World) -> Result<()> {
    let namespace = restricted(world, "accepted")?;
    for (what, pod) in plans(&namespace)? {
        for query in [
            "?dryRun=All&fieldValidation=Strict",
            "?fieldValidation=Strict",
        ] {
            let answer = create(world, &namespace, &pod, query)?;
            ensure!(answer.code == 201, "{what}: {answer:?}");
        }
        // Nothing of it was taken away or bent by admission; what is not said gets its default.
        let name = pod["metadata"]["name"].as_str().context("a name")?;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
        let stored = world.block_on(world.real.send(Method::GET, &path, &[], String::new()))?;
        let stored: Value = serde_json::from_str(&stored.text)?;
        contains(&stored["spec"], &pod["spec"]).with_context(|| what.clone())?;
        // Its finalizer would keep the namespace.
        let free = json!({"metadata": {"finalizers": null}}).to_string();
        let merge = [("content-type", "application/merge-patch+json")];
        world.block_on(world.real.send(Method::PATCH, &path, &merge, free))?;
    }
    Ok(())
}

/// Everything that is wanted is there; there may be more.
fn contains(there: &Value, wanted: &Value) -> Result<()> {
    match (there, wanted) {
        (Value::Object(there), Value::Object(wanted)) => {
            for (name, value) in wanted {
                let found = there.get(name).unwrap_or(&Value::Null);
                contains(found, value).with_context(|| name.clone())?;
            }
            Ok(())
        }
        (Value::Array(there), Value::Array(wanted)) => {
            ensure!(
                there.len() == wanted.len(),
                "{there:?} instead of {wanted:?}"
            );
            for (there, wanted) in there.iter().zip(wanted) {
                contains(there, wanted)?;
            }
            Ok(())
        }
        // An empty value may be left out.
        (Value::Null, Value::String(text)) if text.is_empty() => Ok(()),
        _ => {
            ensure!(there == wanted, "{there} instead of {wanted}");
            Ok(())
        }
    }
}

fn host_folders_are_refused(world: &World) -> Result<()> {
    let namespace = restricted(world, "host")?;
    let repository =
        json!({"path": "/srv/repos/app", "source": {"hostPath": {"path": "/srv/app"}}});
    let pod = planned(
        &namespace,
        0,
        json!({"prompt": "p"}),
        &repository,
        &["--allow-host-path=true"],
    )?;
    let answer = create(world, &namespace, &pod, "")?;
    ensure!(
        answer.code == 403 && answer.text.contains("hostPath"),
        "{answer:?}"
    );
    Ok(())
}

/// Without any of these, `restricted` refuses the Pod: so each is there for a reason, and admission looks.
fn each_restriction_is_needed(world: &World) -> Result<()> {
    let namespace = restricted(world, "needed")?;
    let repository =
        json!({"path": "/srv/repos/app", "source": serde_json::from_str::<Value>(CLAIM)?});
    let good = planned(&namespace, 0, json!({"prompt": "p"}), &repository, &[])?;
    let pod = "/spec/securityContext";
    let container = "/spec/containers/0/securityContext";
    let both = |field: &str| vec![format!("{pod}/{field}"), format!("{container}/{field}")];
    let changes: Vec<(&str, Vec<String>, Value)> = vec![
        (
            "privilege escalation",
            vec![format!("{container}/allowPrivilegeEscalation")],
            Value::Null,
        ),
        (
            "privilege escalation, said",
            vec![format!("{container}/allowPrivilegeEscalation")],
            true.into(),
        ),
        (
            "capabilities",
            vec![format!("{container}/capabilities")],
            Value::Null,
        ),
        (
            "an added capability",
            vec![format!("{container}/capabilities/add")],
            json!(["NET_ADMIN"]),
        ),
        (
            "another dropped capability",
            vec![format!("{container}/capabilities/drop")],
            json!(["NET_RAW"]),
        ),
        ("seccomp", both("seccompProfile"), Value::Null),
        (
            "no seccomp",
            both("seccompProfile"),
            json!({"type": "Unconfined"}),
        ),
        ("root", both("runAsNonRoot"), Value::Null),
        ("root, said", both("runAsUser"), 0.into()),
        (
            "the network of the node",
            vec!["/spec/hostNetwork".into()],
            true.into(),
        ),
        (
            "the processes of the node",
            vec!["/spec/hostPID".into()],
            true.into(),
        ),
        (
            "the memory of the node",
            vec!["/spec/hostIPC".into()],
            true.into(),
        ),
        (
            "a port of the node",
            vec!["/spec/containers/0/ports".into()],
            json!([{"containerPort": 80, "hostPort": 80}]),
        ),
        (
            "a sysctl",
            vec![format!("{pod}/sysctls")],
            json!([{"name": "kernel.msgmax", "value": "1"}]),
        ),
    ];
    for (what, pointers, value) in changes {
        let mut bad = good.clone();
        for pointer in pointers {
            let (parent, last) = pointer.rsplit_once('/').context("a pointer")?;
            let parent = bad.pointer_mut(parent).and_then(Value::as_object_mut);
            let parent = parent.with_context(|| format!("{pointer} is not planned"))?;
            if value.is_null() {
                ensure!(parent.remove(last).is_some(), "{pointer} is not planned");
            } else {
                parent.insert(last.to_owned(), value.clone());
            }
        }
        let answer = create(world, &namespace, &bad, "?dryRun=All")?;
        ensure!(
            answer.code == 403 && answer.text.contains("violates PodSecurity"),
            "{what}: {answer:?}"
        );
    }
    let answer = create(world, &namespace, &good, "?dryRun=All")?;
    ensure!(answer.code == 201, "{answer:?}");
    Ok(())
}
