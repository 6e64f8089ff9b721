//! Whether Pods can have user namespaces of their own: nodes say it of each container runtime that they have.

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};

use super::rights::Held;
use super::{Finding, ask};
use crate::config::Config;
use crate::plan::UserNamespace;

/// How many nodes are named.
const SHOWN: usize = 5;

/// Decides for `auto`.
pub(super) async fn user_namespace(
    client: &Client,
    config: &Config,
    held: &Held,
    findings: &mut Vec<Finding>,
) -> UserNamespace {
    // What stands behind a runtime class is its own wall, and not each of them takes user namespaces.
    if config.runtime_class.is_some() || !held.has("list", "nodes") {
        return UserNamespace::OfNode;
    }
    let labels: Vec<String> = config
        .node_selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let api: Api<Node> = Api::all(client.clone());
    let params = ListParams::default().labels(&labels.join(","));
    let nodes = match ask(api.list(&params)).await {
        Ok(nodes) => nodes.items,
        Err(problem) => {
            findings.push(Finding::warns(format!(
                "whether nodes have user namespaces cannot be found out: {problem}. Until then Pods get none."
            )));
            return UserNamespace::OfNode;
        }
    };
    let without: Vec<&str> = nodes
        .iter()
        .filter(|node| !has_user_namespaces(node))
        .filter_map(|node| node.metadata.name.as_deref())
        .collect();
    if nodes.is_empty() {
        findings.push(Finding::warns(
            "there is no node that Pods may run on, so nobody can say whether there are user namespaces, and Pods get none. Set CODEX_USER_NAMESPACES (tasks.userNamespaces in the chart) to true or false where nodes come and go.",
        ));
        UserNamespace::OfNode
    } else if without.is_empty() {
        UserNamespace::Own
    } else {
        let shown = without[..without.len().min(SHOWN)].join(", ");
        findings.push(Finding::warns(format!(
            "{} of {} nodes have no user namespaces ({shown}), so no Pod gets one. They take Linux 6.3 and a container runtime that has them; CODEX_NODE_SELECTOR (tasks.nodeSelector in the chart) keeps Pods to nodes that do, and CODEX_USER_NAMESPACES=false accepts it.",
            without.len(),
            nodes.len()
        )));
        UserNamespace::OfNode
    }
}

/// What the handler that Pods without a runtime class get says of itself.
fn has_user_namespaces(node: &Node) -> bool {
    let handlers = node
        .status
        .iter()
        .flat_map(|status| status.runtime_handlers.iter().flatten());
    handlers
        .filter(|handler| handler.name.as_deref().unwrap_or_default().is_empty())
        .any(|handler| {
            handler
                .features
                .as_ref()
                .is_some_and(|features| features.user_namespaces == Some(true))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_speak_for_their_default_runtime() {
        let node = |handlers: serde_json::Value| -> Node {
            serde_json::from_value(json!({"metadata": {}, "status": {"runtimeHandlers": handlers}}))
                .unwrap()
        };
        let with = json!({"recursiveReadOnlyMounts": true, "userNamespaces": true});
        assert!(has_user_namespaces(&node(
            json!([{"name": "", "features": with}])
        )));
        assert!(!has_user_namespaces(&node(
            json!([{"name": "kata", "features": with}])
        )));
        assert!(!has_user_namespaces(&node(json!([{"name": ""}]))));
        assert!(!has_user_namespaces(&Node::default()));
    }
}
