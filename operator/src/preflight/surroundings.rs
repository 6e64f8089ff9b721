//! The namespace of the tasks: its Pod security level, its network policies, and what its repositories name.

use std::collections::BTreeMap;

use codex_crds::{CodexRepository, meta};
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use kube::{Api, Client};

use super::rights::Held;
use super::{Finding, ask};
use crate::config::{Config, NetworkPolicies};

const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// Checks what the operator may look at.
pub(super) async fn check(
    client: &Client,
    config: &Config,
    held: &Held,
    findings: &mut Vec<Finding>,
) {
    // With folders of the node the level cannot be `restricted`; whoever allows them knows.
    if held.has("get", "namespaces") && !config.allow_host_path {
        check_level(client, config, findings).await;
    }
    check_network(client, config, held, findings).await;
    check_repositories(client, config, held, findings).await;
}

async fn check_level(client: &Client, config: &Config, findings: &mut Vec<Finding>) {
    let name = &config.namespace;
    let api: Api<Namespace> = Api::all(client.clone());
    let namespace = match ask(api.get(name)).await {
        Ok(namespace) => namespace,
        Err(problem) if problem.is_not_found() => {
            findings.push(Finding::stops(format!(
                "there is no namespace {name}. Make it: `kubectl create namespace {name}`, and label it {LEVEL}=restricted."
            )));
            return;
        }
        Err(problem) => {
            findings.push(Finding::warns(format!(
                "the Pod security level of {name} cannot be read: {problem}."
            )));
            return;
        }
    };
    let labels = namespace.metadata.labels.unwrap_or_default();
    match labels.get(LEVEL).map(String::as_str) {
        Some("restricted") => {}
        level => findings.push(Finding::warns(format!(
            "the namespace {name} enforces the Pod security level {:?}, not `restricted`: whoever may create Pods there gets more than tasks do. `kubectl label namespace {name} {LEVEL}=restricted --overwrite`.",
            level.unwrap_or("privileged")
        ))),
    }
}

async fn check_network(client: &Client, config: &Config, held: &Held, findings: &mut Vec<Finding>) {
    if config.network_policies == NetworkPolicies::Unneeded {
        return;
    }
    if config.network_policies == NetworkPolicies::Unverified {
        findings.push(Finding::warns(
            "nobody has said whether the network plugin of this cluster enforces NetworkPolicies, and Kubernetes cannot tell: where it does not, agents reach whatever a Pod reaches. Try it (docs/operations/cluster.md, \"Network policies\"), then set CODEX_NETWORK_POLICIES=enforced (networkPolicy.enforced=true in the chart).",
        ));
    }
    if !held.has("list", "networkpolicies") {
        return;
    }
    let name = &config.namespace;
    let api: Api<NetworkPolicy> = Api::namespaced(client.clone(), name);
    match ask(api.list(&ListParams::default())).await {
        Ok(policies) if policies.items.iter().any(closes_tasks) => {}
        Ok(_) => findings.push(Finding::warns(format!(
            "no NetworkPolicy in {name} is for what leaves the Pods of tasks, so agents reach whatever a Pod reaches. The chart brings one (networkPolicy.enabled=true)."
        ))),
        Err(problem) => findings.push(Finding::warns(format!(
            "the network policies of {name} cannot be read: {problem}."
        ))),
    }
}

/// Whether a policy is for what leaves the Pods of tasks. From then on only what some policy names may leave.
fn closes_tasks(policy: &NetworkPolicy) -> bool {
    policy.spec.as_ref().is_some_and(|spec| {
        let is_for_egress = match &spec.policy_types {
            Some(types) => types.iter().any(|kind| kind == "Egress"),
            None => spec.egress.is_some(),
        };
        is_for_egress && spec.pod_selector.as_ref().is_none_or(selects_tasks)
    })
}

fn selects_tasks(selector: &LabelSelector) -> bool {
    let labels = BTreeMap::from([(meta::MANAGED_BY_LABEL, meta::OPERATOR_NAME)]);
    let by_labels = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key.as_str()).is_some_and(|label| label == value));
    let by_expressions = selector.match_expressions.iter().flatten().all(|wanted| {
        let label = labels.get(wanted.key.as_str());
        let is_in = || {
            let values = wanted.values.iter().flatten();
            label.is_some_and(|label| values.into_iter().any(|value| value == label))
        };
        match wanted.operator.as_str() {
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            "In" => is_in(),
            _ => !is_in(),
        }
    });
    by_labels && by_expressions
}

async fn check_repositories(
    client: &Client,
    config: &Config,
    held: &Held,
    findings: &mut Vec<Finding>,
) {
    let repositories: Api<CodexRepository> = Api::namespaced(client.clone(), &config.namespace);
    let Ok(repositories) = ask(repositories.list(&ListParams::default())).await else {
        // The watch will say so.
        return;
    };
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &config.namespace);
    for repository in repositories {
        let name = repository.metadata.name.unwrap_or_default();
        let source = repository.spec.source;
        if source.host_path.is_some() && !config.allow_host_path {
            findings.push(Finding::warns(format!(
                "the repository {name} is a folder of the node, which CODEX_ALLOW_HOST_PATH does not permit: its tasks are refused."
            )));
        }
        let Some(claim) = source.persistent_volume_claim else {
            continue;
        };
        let claim = claim.claim_name;
        if held.has("get", "persistentvolumeclaims")
            && ask(claims.get_metadata(&claim))
                .await
                .is_err_and(|problem| problem.is_not_found())
        {
            findings.push(Finding::warns(format!(
                "the repository {name} names the PersistentVolumeClaim {claim}, which is not there: its tasks do not start. Make the claim in {}, or name another.",
                config.namespace
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn policies_are_for_tasks_or_not() {
        let closes = |spec: Value| {
            let policy = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
            closes_tasks(&policy)
        };
        let ours = json!({"matchLabels": {"app.kubernetes.io/managed-by": "codex-operator"}});
        assert!(closes(
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        ));
        assert!(closes(
            json!({"podSelector": ours, "policyTypes": ["Egress"]})
        ));
        assert!(closes(json!({"podSelector": ours, "egress": []})));
        assert!(!closes(
            json!({"podSelector": ours, "policyTypes": ["Ingress"]})
        ));
        assert!(!closes(
            json!({"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Egress"]})
        ));
        let others = json!({"matchExpressions": [{"key": "app.kubernetes.io/managed-by", "operator": "NotIn", "values": ["codex-operator"]}]});
        assert!(!closes(
            json!({"podSelector": others, "policyTypes": ["Egress"]})
        ));
    }
}
