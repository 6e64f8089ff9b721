//! Answers to "who am I" and "may I", from the same policies that decide.

use serde_json::{Value, json};

use super::{Attributes, User};
use crate::api::object::text;
use crate::api::resources::Kind;

impl User {
    /// Fills in the status of a review.
    pub(crate) fn review(&self, kind: Kind, mut object: Value) -> Value {
        object["status"] = match kind {
            Kind::SelfSubjectReview => json!({
                "userInfo": {"username": self.name, "groups": self.groups},
            }),
            Kind::SelfSubjectRulesReview => self.rules(text(&object, "/spec/namespace")),
            _ => self.access(&object),
        };
        object
    }

    fn access(&self, object: &Value) -> Value {
        let optional = |pointer: &str| Some(text(object, pointer)).filter(|t| !t.is_empty());
        let attributes = if object.pointer("/spec/nonResourceAttributes").is_some() {
            Attributes {
                verb: text(object, "/spec/nonResourceAttributes/verb"),
                path: text(object, "/spec/nonResourceAttributes/path"),
                ..Attributes::default()
            }
        } else {
            Attributes {
                verb: text(object, "/spec/resourceAttributes/verb"),
                group: text(object, "/spec/resourceAttributes/group"),
                resource: text(object, "/spec/resourceAttributes/resource"),
                subresource: optional("/spec/resourceAttributes/subresource"),
                namespace: optional("/spec/resourceAttributes/namespace"),
                name: optional("/spec/resourceAttributes/name"),
                path: "",
            }
        };
        let allowed = self.may(&attributes);
        // kubectl prints the reason of a refusal behind its "no"; upstream's RBAC gives none.
        let reason = if allowed {
            format!("the policy of {} allows it", self.name)
        } else {
            String::new()
        };
        json!({"allowed": allowed, "reason": reason})
    }

    fn rules(&self, namespace: &str) -> Value {
        let resources: Vec<Value> = self
            .policy
            .rules
            .iter()
            .filter(|r| {
                r.namespaces
                    .as_ref()
                    .is_none_or(|allowed| allowed.iter().any(|n| n == namespace))
            })
            .map(|r| json!({"verbs": r.verbs, "apiGroups": r.groups, "resources": r.resources}))
            .collect();
        json!({
            "resourceRules": resources,
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": self.policy.paths}],
            "incomplete": false,
        })
    }
}
