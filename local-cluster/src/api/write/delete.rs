//! Deleting objects: preconditions, grace, finalizers.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::prepare::{is_released, mark_deleted};
use super::{Part, Target};
use crate::api::Api;
use crate::api::convert::from_stored;
use crate::api::error::ApiError;
use crate::api::object::{
    add_finalizer, child_mut, is_deleting, remove_finalizer, set_condition, text, uid,
};
use crate::api::request::{DeleteOptions, Propagation};
use crate::api::resources::{Kind, Resource};
use crate::api::store::StoreError;

/// The garbage collector removes these when it has done their work.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
pub(crate) const ORPHAN: &str = "orphan";
/// The controller of definitions removes this when no custom resource is left.
pub(crate) const CRD_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// These namespaces are part of the cluster.
const PROTECTED_NAMESPACES: &[&str] = &["default", "kube-system", "kube-public"];

/// What a deletion did.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// The object in its last state, in the version of the request.
    pub(crate) object: Value,
    /// Whether it is gone, not only marked.
    pub(crate) gone: bool,
}

impl Api {
    /// Deletes an object, or marks it when something has to happen first.
    pub(crate) async fn delete(
        &self,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        let resource = &target.resource;
        let dry_run = options.is_dry_run()?;
        if resource.kind == Kind::Namespace
            && PROTECTED_NAMESPACES.contains(&target.key.name.as_str())
        {
            return Err(ApiError::Forbidden {
                subject: resource.subject(&target.key.name),
                message: format!(
                    "namespaces \"{}\" is forbidden: this namespace may not be deleted",
                    target.key.name
                ),
                cause: None,
            });
        }
        loop {
            let live = self
                .store
                .get(&resource.collection, &target.key)
                .ok_or_else(|| resource.not_found(&target.key.name))?;
            check_preconditions(target, options, &live.value)?;
            let mut object = live.value.clone();
            plan(resource, &mut object, options, Timestamp::now());
            let gone = is_released(resource, &object);
            if gone {
                // It was never marked: what was stored last is what watches and the caller see.
                object = live.value.clone();
            }
            let respond = |value: &Value| Deleted {
                object: from_stored(resource, value).into_owned(),
                gone,
            };
            if dry_run || (!gone && object == live.value) {
                return Ok(respond(&object));
            }
            let (collection, key) = (&resource.collection, &target.key);
            let result = if gone {
                self.store.remove(collection, key, live.rv, object).await
            } else {
                let expect = crate::api::store::Expect::Version(live.rv);
                self.store.put(collection, key, expect, object).await
            };
            match result {
                Err(StoreError::Conflict) => {}
                Err(other) => return Err(other.into()),
                Ok(stored) => {
                    self.after_write(resource, &stored.value, gone);
                    return Ok(respond(&stored.value));
                }
            }
        }
    }

    /// Deletes an object for one of the server's controllers; that it is gone already is fine.
    pub(crate) async fn delete_internal(
        &self,
        target: &Target,
        uid: &str,
        propagation: Option<Propagation>,
    ) -> Result<(), ApiError> {
        let options = DeleteOptions {
            propagation_policy: propagation,
            preconditions: Some(crate::api::request::Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteOptions::default()
        };
        debug_assert_eq!(target.part, Part::Internal);
        match self.delete(target, &options).await {
            // A conflict means that another object of that name has taken its place.
            Ok(_) | Err(ApiError::NotFound(_) | ApiError::Conflict { .. }) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

fn check_preconditions(
    target: &Target,
    options: &DeleteOptions,
    live: &Value,
) -> Result<(), ApiError> {
    let Some(wanted) = &options.preconditions else {
        return Ok(());
    };
    let mut subject = target.resource.subject(&target.key.name);
    // Here upstream names the kind.
    subject.resource = subject.kind.clone();
    let conflict = |what: &str, wanted: &str, found: &str| ApiError::Conflict {
        subject: subject.clone(),
        message: format!(
            "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
        ),
    };
    match &wanted.uid {
        Some(wanted) if wanted != uid(live) => return Err(conflict("UID", wanted, uid(live))),
        _ => {}
    }
    let version = text(live, "/metadata/resourceVersion");
    match &wanted.resource_version {
        Some(wanted) if wanted != version => Err(conflict("ResourceVersion", wanted, version)),
        _ => Ok(()),
    }
}

/// Changes the object into what a deletion makes of it.
fn plan(resource: &Resource, object: &mut Value, options: &DeleteOptions, now: Timestamp) {
    let grace = grace(resource, object, options);
    if is_deleting(object) {
        shorten(object, grace, now);
    } else {
        match options.propagation() {
            Some(Propagation::Foreground) => {
                remove_finalizer(object, ORPHAN);
                add_finalizer(object, FOREGROUND);
            }
            Some(Propagation::Orphan) => {
                remove_finalizer(object, FOREGROUND);
                add_finalizer(object, ORPHAN);
            }
            Some(Propagation::Background) | None => {}
        }
        if resource.kind == Kind::Crd {
            add_finalizer(object, CRD_CLEANUP);
            let terminating = json!({
                "type": "Terminating",
                "status": "True",
                "reason": "InstanceDeletionInProgress",
                "message": "CustomResource deletion is in progress",
            });
            set_condition(object, terminating, now);
        }
        if resource.kind == Kind::Namespace {
            child_mut(object, "status").insert("phase".into(), json!("Terminating"));
        }
        let at = now
            .checked_add(SignedDuration::from_secs(grace))
            .unwrap_or(now);
        mark_deleted(object, at, grace, resource.has_generation());
    }
}

/// Seconds until the deletion is final. Only Pods that run somewhere have any.
fn grace(resource: &Resource, object: &Value, options: &DeleteOptions) -> i64 {
    let unscheduled = text(object, "/spec/nodeName").is_empty();
    let ended = matches!(text(object, "/status/phase"), "Succeeded" | "Failed");
    if resource.kind != Kind::Pod || unscheduled || ended {
        return 0;
    }
    options
        .grace_period_seconds
        .or_else(|| {
            object
                .pointer("/spec/terminationGracePeriodSeconds")
                .and_then(Value::as_i64)
        })
        .unwrap_or(30)
        .max(0)
}

/// A second deletion may bring the end nearer, never push it away.
fn shorten(object: &mut Value, grace: i64, now: Timestamp) {
    let current = object
        .pointer("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    if grace >= current {
        return;
    }
    // The clock has been running since the first deletion.
    let begun = text(object, "/metadata/deletionTimestamp")
        .parse::<Timestamp>()
        .ok()
        .and_then(|t| t.checked_sub(SignedDuration::from_secs(current)).ok())
        .unwrap_or(now);
    let at = if grace == 0 {
        now
    } else {
        begun
            .checked_add(SignedDuration::from_secs(grace))
            .unwrap_or(now)
    };
    mark_deleted(object, at, grace, false);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: &Value, status: &Value) -> Value {
        json!({"metadata": {"name": "p", "generation": 1}, "spec": spec, "status": status})
    }

    fn resource() -> std::sync::Arc<Resource> {
        let dir = tempfile::tempdir().unwrap();
        let store = crate::api::store::Store::open(crate::api::store::StoreConfig::new(dir.path()))
            .unwrap();
        crate::api::resources::Catalog::load(&store)
            .served()
            .find("", "v1", "pods")
            .unwrap()
    }

    #[test]
    fn grace_is_for_pods_that_run() {
        let options = DeleteOptions::default();
        let r = resource();
        assert_eq!(grace(&r, &pod(&json!({}), &json!({})), &options), 0);
        let spec = json!({"nodeName": "n", "terminationGracePeriodSeconds": 7});
        assert_eq!(
            grace(&r, &pod(&spec, &json!({"phase": "Running"})), &options),
            7
        );
        assert_eq!(
            grace(&r, &pod(&spec, &json!({"phase": "Failed"})), &options),
            0
        );
    }

    #[test]
    fn grace_is_only_shortened() {
        let r = resource();
        let mut p = pod(&json!({"nodeName": "n"}), &json!({"phase": "Running"}));
        let seconds = |s| DeleteOptions {
            grace_period_seconds: Some(s),
            ..DeleteOptions::default()
        };
        let now = Timestamp::now();
        plan(&r, &mut p, &seconds(20), now);
        let marked = p.clone();
        plan(&r, &mut p, &seconds(30), now);
        assert_eq!(p, marked);
        plan(&r, &mut p, &seconds(5), now);
        assert_eq!(p["metadata"]["deletionGracePeriodSeconds"], 5);
        assert_eq!(p["metadata"]["generation"], 2);
        assert!(!is_released(&r, &p));
        plan(&r, &mut p, &seconds(0), now);
        assert!(is_released(&r, &p));
    }
}
