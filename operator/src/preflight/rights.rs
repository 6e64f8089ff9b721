//! Whether the operator may do what its code does.
//!
//! `rights.json` is the one table of it: the tests of the chart hold the Role against the same file. Each verb is a question of its own
//! (`SelfSubjectAccessReview`), because the list that `SelfSubjectRulesReview` gives is incomplete where a webhook decides.

use std::collections::HashSet;

use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use serde::Deserialize;

use super::{Finding, Problem, ask};
use crate::config::{Config, UserNamespaces};

/// How many questions are under way at once.
const AT_ONCE: usize = 8;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Right {
    group: String,
    /// With the subresource after a slash.
    resource: String,
    /// Which object, where it is only one.
    name: Option<Name>,
    verbs: Vec<String>,
    /// With what it is needed; always, where nothing is said.
    when: Option<When>,
    /// Where it is needed; in the namespace of the tasks, where nothing is said.
    scope: Option<Scope>,
    /// Whether no task can run without it.
    #[serde(default)]
    stops: bool,
    /// What does not work without it.
    without: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Name {
    #[serde(rename = "lease")]
    Lease,
    #[serde(rename = "namespace")]
    Namespace,
    #[serde(rename = "allow list")]
    AllowList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum When {
    #[serde(rename = "leader election")]
    LeaderElection,
    #[serde(rename = "allow list")]
    AllowList,
    #[serde(rename = "user namespaces by node")]
    UserNamespacesByNode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scope {
    Cluster,
}

/// The rights that the operator has, of those that it was asked about.
#[derive(Debug, Default)]
pub(super) struct Held(HashSet<(String, String)>);

impl Held {
    /// Whether it may do this.
    pub(super) fn has(&self, verb: &str, resource: &str) -> bool {
        self.0.contains(&(verb.to_owned(), resource.to_owned()))
    }
}

fn table() -> Vec<Right> {
    serde_json::from_str(include_str!("../../rights.json")).expect("a test reads the table")
}

/// Asks for everything in the table.
pub(super) async fn check(client: &Client, config: &Config, findings: &mut Vec<Finding>) -> Held {
    let questions = table().into_iter().filter(|right| is_needed(right, config));
    let questions = questions.flat_map(|right| {
        let verbs = right.verbs.clone();
        verbs.into_iter().map(move |verb| (right.clone(), verb))
    });
    let answers = futures::stream::iter(questions)
        .map(|(right, verb)| async {
            let answer = may(client, config, &right, &verb).await;
            (right, verb, answer)
        })
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let mut held = Held::default();
    let mut missing: Vec<(Right, Vec<String>)> = Vec::new();
    for (right, verb, answer) in answers {
        match answer {
            Ok(true) => {
                held.0.insert((verb, right.resource));
            }
            Ok(false) => match missing.last_mut() {
                Some((last, verbs)) if last.without == right.without => verbs.push(verb),
                _ => missing.push((right, vec![verb])),
            },
            Err(problem) => {
                // Told once: it is the same for all of them.
                findings.push(Finding::warns(format!(
                    "the cluster does not say what the operator may do ({problem}), so its rights are not checked. Let it create selfsubjectaccessreviews of authorization.k8s.io, as the cluster role system:basic-user does."
                )));
                // Whoever needs a right then finds out by itself.
                held.0.insert((verb, right.resource));
            }
        }
    }
    findings.extend(
        missing
            .iter()
            .map(|(right, verbs)| refusal(right, verbs, &config.namespace)),
    );
    held
}

fn is_needed(right: &Right, config: &Config) -> bool {
    match right.when {
        None => true,
        Some(When::LeaderElection) => config.leader_election,
        Some(When::AllowList) => config.allow_list.is_some(),
        Some(When::UserNamespacesByNode) => {
            config.user_namespaces == UserNamespaces::Auto && config.runtime_class.is_none()
        }
    }
}

async fn may(client: &Client, config: &Config, right: &Right, verb: &str) -> Result<bool, Problem> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource.as_str(), None),
    };
    let name = right.name.and_then(|name| match name {
        Name::Lease => Some(config.lease_name.clone()),
        Name::Namespace => Some(config.namespace.clone()),
        Name::AllowList => config.allow_list.clone(),
    });
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.clone()),
                resource: Some(resource.to_owned()),
                subresource,
                verb: Some(verb.to_owned()),
                namespace: (right.scope != Some(Scope::Cluster)).then(|| config.namespace.clone()),
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = ask(api.create(&PostParams::default(), &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn refusal(right: &Right, verbs: &[String], namespace: &str) -> Finding {
    let Right {
        group, resource, ..
    } = right;
    let what = if group.is_empty() {
        resource.clone()
    } else {
        format!("{resource} of {group}")
    };
    let verbs = verbs.join(", ");
    let (place, remedy) = if right.scope == Some(Scope::Cluster) {
        (String::new(), "a ClusterRole and its ClusterRoleBinding")
    } else {
        (
            format!(" in the namespace {namespace}"),
            "the Role there and its RoleBinding",
        )
    };
    let text = format!(
        "the operator may not {verbs} {what}{place}: {}. Add it to {remedy} (the chart's templates/operator/rbac.yaml has all of it).",
        right.without
    );
    if right.stops {
        Finding::stops(text)
    } else {
        Finding::warns(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let table = table();
        assert!(table.len() > 10);
        assert!(table.iter().all(|right| !right.verbs.is_empty()));
        // Two rows of one text would be told as one.
        let texts: HashSet<_> = table.iter().map(|right| &right.without).collect();
        assert_eq!(texts.len(), table.len());
    }

    #[test]
    fn a_missing_right_is_named() {
        let right = table()
            .into_iter()
            .find(|right| right.resource == "pods/log")
            .unwrap();
        let finding = refusal(&right, &["get".into()], "tasks");
        assert!(finding.text.starts_with(
            "the operator may not get pods/log in the namespace tasks: no task has a log"
        ));
        assert_eq!(finding.severity, super::super::Severity::Stops);
    }
}
