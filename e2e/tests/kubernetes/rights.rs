//! The accounts of the chart: its roles allow what is needed and nothing else.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};

use crate::Case;
use crate::chart::{CHART, STORES, helm};
use crate::world::{Side, World};

pub(crate) const CASES: &[Case] = &[
    (
        "rights::each_account_may_do_its_work_and_nothing_else",
        each_account_may_do_its_work_and_nothing_else,
    ),
    ("rights::kubectl_says_the_same", kubectl_says_the_same),
];

/// What the gateway may do, as `verb group/resource`. It comes from the calls in its code.
const GATEWAY: &[&str] = &[
    "create codexrunner.io/codextasks",
    "get codexrunner.io/codextasks",
    "list codexrunner.io/codextasks",
    "watch codexrunner.io/codextasks",
    "patch codexrunner.io/codextasks",
    "list codexrunner.io/codexrepositories",
    "watch codexrunner.io/codexrepositories",
];

/// What the operator may do: what it holds its rights against when it starts.
const OPERATOR: &str = include_str!("../../../operator/rights.json");

/// What an account may do.
#[derive(Default)]
struct Rights {
    /// `verb group/resource` in the namespace of the tasks.
    tasks: HashSet<String>,
    /// The same in every namespace.
    cluster: HashSet<String>,
    /// The same in the namespace of the tasks, and the object.
    named: Vec<(String, String)>,
}

/// Who may do what in a release.
fn accounts(release: &Release) -> Result<Vec<(&'static str, Rights)>> {
    let gateway = Rights {
        tasks: GATEWAY.iter().map(|&right| right.to_owned()).collect(),
        ..Rights::default()
    };
    let mut operator = Rights::default();
    let rows: Vec<Value> = serde_json::from_str(OPERATOR)?;
    for row in rows {
        let word = |field: &str| row[field].as_str().unwrap_or_default();
        for verb in row["verbs"].as_array().into_iter().flatten() {
            let verb = verb.as_str().context("a verb is a word")?;
            let right = format!("{verb} {}/{}", word("group"), word("resource"));
            match (word("scope"), word("name")) {
                ("cluster", "") => {
                    operator.cluster.insert(right);
                }
                ("", "") => {
                    operator.tasks.insert(right);
                }
                ("", "lease") => operator.named.push((right, "codex-operator".to_owned())),
                ("", "namespace") => operator.named.push((right, release.tasks.clone())),
                // The allow-list in a ConfigMap is only there where it is asked for.
                ("", "allow list") => {}
                other => bail!("the tests do not know rights of {other:?}"),
            }
        }
    }
    Ok(vec![
        ("codex-gateway", gateway),
        ("codex-operator", operator),
        ("codex-pod-proxy", Rights::default()),
    ])
}

/// What is asked about every account: what some of them may, and what is worth much to an attacker.
const RESOURCES: &[&str] = &[
    "codexrunner.io/codextasks",
    "codexrunner.io/codextasks/status",
    "codexrunner.io/codextasks/finalizers",
    "codexrunner.io/codexrepositories",
    "/pods",
    "/pods/log",
    "/pods/exec",
    "/pods/attach",
    "/pods/portforward",
    "/pods/ephemeralcontainers",
    "/pods/status",
    "/pods/eviction",
    "/pods/binding",
    "/secrets",
    "/configmaps",
    "/serviceaccounts",
    "/serviceaccounts/token",
    "/events",
    "/services",
    "/services/proxy",
    "/persistentvolumeclaims",
    "/resourcequotas",
    "/nodes",
    "/nodes/proxy",
    "/namespaces",
    "/persistentvolumes",
    "apps/deployments",
    "batch/jobs",
    "events.k8s.io/events",
    "coordination.k8s.io/leases",
    "networking.k8s.io/networkpolicies",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/clusterrolebindings",
    "apiextensions.k8s.io/customresourcedefinitions",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
    "certificates.k8s.io/certificatesigningrequests",
];

const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "bind",
    "escalate",
    "impersonate",
];

/// Every verb on every resource, for every account, in the namespace of the tasks and in another.
fn each_account_may_do_its_work_and_nothing_else(world: &World) -> Result<()> {
    let release = Release::install_roles(world, "rights")?;
    let accounts = accounts(&release)?;
    world.block_on(async {
        let mut wrong = Vec::new();
        for (account, rights) in &accounts {
            let user = release.user(account);
            for resource in RESOURCES {
                for verb in VERBS {
                    let asked = format!("{verb} {resource}");
                    for namespace in [&*release.tasks, "kube-system"] {
                        let allowed =
                            may(&world.real, &user, namespace, verb, resource, "").await?;
                        let wanted = rights.cluster.contains(&asked)
                            || namespace == release.tasks && rights.tasks.contains(&asked);
                        if allowed != wanted {
                            wrong.push(format!("{user} in {namespace}: {asked} is {allowed}"));
                        }
                    }
                }
            }
            for (right, name) in &rights.named {
                let (verb, resource) = right.split_once(' ').context("a verb and a resource")?;
                for (name, wanted) in [(&**name, true), ("another", false)] {
                    let namespace = &release.tasks;
                    let allowed = may(&world.real, &user, namespace, verb, resource, name).await?;
                    if allowed != wanted {
                        wrong.push(format!("{user}: {verb} {resource} {name} is {allowed}"));
                    }
                }
            }
            let asked: HashSet<&str> = RESOURCES.iter().copied().collect();
            for right in rights.tasks.iter().chain(&rights.cluster) {
                let (_, resource) = right.split_once(' ').context("a verb and a resource")?;
                ensure!(asked.contains(resource), "{resource} is not asked about");
            }
        }
        // Task Pods run under the default account, whose token they do not even have.
        let task = format!("system:serviceaccount:{}:default", release.tasks);
        for resource in RESOURCES {
            for verb in ["get", "list", "create", "delete"] {
                if may(&world.real, &task, &release.tasks, verb, resource, "").await? {
                    wrong.push(format!("{task}: {verb} {resource}"));
                }
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
}

/// The same as people ask it, in part.
fn kubectl_says_the_same(world: &World) -> Result<()> {
    let release = Release::install_roles(world, "can-i")?;
    for (account, question, wanted) in [
        ("codex-gateway", "create codextasks", "yes"),
        ("codex-gateway", "get pods", "no"),
        ("codex-gateway", "get secrets", "no"),
        ("codex-gateway", "delete codextasks", "no"),
        (
            "codex-gateway",
            "patch codextasks --subresource=status",
            "no",
        ),
        ("codex-operator", "create pods", "yes"),
        ("codex-operator", "create pods --subresource=exec", "no"),
        ("codex-operator", "get pods --subresource=log", "yes"),
        ("codex-operator", "get secrets", "no"),
        ("codex-operator", "list secrets", "no"),
        ("codex-operator", "create secrets", "yes"),
        (
            "codex-operator",
            "create pods --namespace=kube-system",
            "no",
        ),
        ("codex-operator", "list codextasks --all-namespaces", "no"),
        ("codex-operator", "bind roles", "no"),
        ("codex-operator", "escalate roles", "no"),
        ("codex-operator", "get nodes", "no"),
        ("codex-operator", "list nodes", "yes"),
        ("codex-pod-proxy", "get codextasks", "no"),
        ("codex-pod-proxy", "get secrets", "no"),
    ] {
        let mut arguments = vec!["auth", "can-i"];
        if !question.contains("namespace") {
            arguments.extend(["--namespace", &release.tasks]);
        }
        let user = format!("--as={}", release.user(account));
        arguments.push(&user);
        arguments.extend(question.split(' '));
        let output = world.real.kubectl_output(&arguments, "")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(said.trim() == wanted, "{account}: {question}: {output:?}");
    }
    Ok(())
}

/// The accounts and roles of the chart in namespaces of their own.
pub(crate) struct Release {
    pub(crate) system: String,
    pub(crate) tasks: String,
}

impl Release {
    /// Renders the chart and applies what is about rights.
    pub(crate) fn install_roles(world: &World, what: &str) -> Result<Self> {
        let release = Self {
            system: world.fresh_name(what),
            tasks: world.fresh_name(what),
        };
        let restricted = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        world.block_on(async {
            world
                .real
                .create_namespace(&release.system, json!({}))
                .await?;
            world
                .real
                .create_namespace(&release.tasks, restricted)
                .await
        })?;
        let namespace = format!("--namespace={}", release.system);
        let tasks = format!("tasks.namespace.name={}", release.tasks);
        let mut arguments = vec!["template", "codex", CHART, &namespace, "--set", &tasks];
        for file in [
            "templates/gateway/rbac.yaml",
            "templates/operator/rbac.yaml",
            "templates/gateway/serviceaccount.yaml",
            "templates/operator/serviceaccount.yaml",
            "templates/pod-proxy/serviceaccount.yaml",
        ] {
            arguments.extend(["--show-only", file]);
        }
        let rendered = helm(&world.server, &arguments, STORES)?;
        let output = world
            .real
            .kubectl_output(&["apply", "--filename=-"], &rendered)?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(release)
    }

    /// The name of an account, as the API server knows it.
    pub(crate) fn user(&self, account: &str) -> String {
        format!("system:serviceaccount:{}:{account}", self.system)
    }
}

/// Asks the API server whether a user may do something.
async fn may(
    side: &Side,
    user: &str,
    namespace: &str,
    verb: &str,
    resource: &str,
    name: &str,
) -> Result<bool> {
    let (group, resource) = resource
        .split_once('/')
        .context("a group, which may be empty")?;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
            },
        },
    });
    let answer = side
        .send(
            Method::POST,
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            &[],
            review.to_string(),
        )
        .await?;
    ensure!(answer.code == 201, "{answer:?}");
    let answer: Value = serde_json::from_str(&answer.text)?;
    answer["status"]["allowed"]
        .as_bool()
        .context("it is allowed or not")
}
