//! Creating objects.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::prepare::{check_namespace, check_type};
use super::{Target, Written};
use crate::api::Api;
use crate::api::convert::{from_stored, to_stored};
use crate::api::error::ApiError;
use crate::api::object::{is_deleting, metadata_mut, random_suffix, text, time};
use crate::api::request::WriteOptions;
use crate::api::store::{Expect, Key, StoreError};
use crate::api::strategy;
use crate::schema::apply;

/// A generated name that is taken is generated again, as often as upstream does.
const NAME_TRIES: usize = 8;

impl Api {
    /// Creates an object; the target's name may be empty when the object names itself.
    pub(crate) async fn create(
        &self,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let generated = text(&object, "/metadata/name").is_empty()
            && !text(&object, "/metadata/generateName").is_empty();
        let mut tries = if generated { NAME_TRIES } else { 1 };
        loop {
            tries -= 1;
            match self
                .create_once(target, object.clone(), options, true)
                .await
            {
                Err(ApiError::AlreadyExists(_)) if tries > 0 => {}
                result => return result,
            }
        }
    }

    /// `track` is off when server-side apply has already written `managedFields`.
    pub(super) async fn create_once(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        track: bool,
    ) -> Result<Written, ApiError> {
        let now = Timestamp::now();
        let resource = &target.resource;
        if resource.is_terminating {
            // As upstream: the definition waits for what there is to go.
            return Err(ApiError::MethodNotAllowed);
        }
        check_type(resource, &mut object)?;
        check_namespace(target, &mut object)?;
        let mut target = target.clone();
        target.key.name = choose_name(&target, &object)?;
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(ApiError::BadRequest(
                "resourceVersion should not be set on objects to be created".into(),
            ));
        }
        self.check_namespace_accepts(&target)?;
        let mut warnings = self.decode(resource, &mut object, options.validation)?;
        warnings.extend(resource.deprecation.clone());
        stamp(&target, &mut object, now);
        if resource.has_status
            && strategy::drops_status_on_create(resource.kind)
            && let Some(map) = object.as_object_mut()
        {
            map.shift_remove("status");
        }
        strategy::prepare_create(resource, &mut object, now);
        let schema = self.schemas.schema(&resource.gvk());
        if track {
            apply::track_update(
                schema.as_deref(),
                None,
                &mut object,
                &options.manager,
                target.part.subresource(),
                now,
            );
        }
        self.validate(&target, &object, None)?;
        let exists = || ApiError::AlreadyExists(resource.subject(&target.key.name));
        if options.dry_run {
            if self.store.get(&resource.collection, &target.key).is_some() {
                return Err(exists());
            }
            return Ok(Written {
                object,
                warnings,
                created: true,
            });
        }
        let stored = to_stored(resource, object);
        let stored = self
            .store
            .put(&resource.collection, &target.key, Expect::Absent, stored)
            .await
            .map_err(|e| match e {
                StoreError::Conflict => exists(),
                other => other.into(),
            })?;
        self.after_write(resource, &stored.value, false);
        Ok(Written {
            object: from_stored(resource, &stored.value).into_owned(),
            warnings,
            created: true,
        })
    }

    /// Objects need a namespace that exists and is not going away.
    fn check_namespace_accepts(&self, target: &Target) -> Result<(), ApiError> {
        if !target.resource.namespaced {
            return Ok(());
        }
        let name = &target.key.namespace;
        let Some(namespace) = self.store.get("namespaces", &Key::new("", name.as_str())) else {
            let namespaces = self.catalog.served().find("", "v1", "namespaces");
            return Err(namespaces.map_or(ApiError::NoSuchPath, |r| r.not_found(name)));
        };
        if is_deleting(&namespace.value) {
            let resource = &target.resource;
            return Err(ApiError::Forbidden {
                message: format!(
                    "{} \"{}\" is forbidden: unable to create new content in namespace {name} because it is being terminated",
                    resource.plural, target.key.name
                ),
                subject: resource.subject(&target.key.name),
                cause: Some("NamespaceTerminating"),
            });
        }
        Ok(())
    }
}

fn choose_name(target: &Target, object: &Value) -> Result<String, ApiError> {
    let given = text(object, "/metadata/name");
    let wanted = &target.key.name;
    if !given.is_empty() {
        if !wanted.is_empty() && given != wanted {
            return Err(ApiError::BadRequest(format!(
                "the name of the object ({given}) does not match the name on the URL ({wanted})"
            )));
        }
        return Ok(given.to_owned());
    }
    if !wanted.is_empty() {
        return Ok(wanted.clone());
    }
    let prefix = text(object, "/metadata/generateName");
    if prefix.is_empty() {
        return Err(ApiError::Invalid {
            subject: target.resource.subject(""),
            causes: vec![crate::schema::FieldError {
                field: "metadata.name".into(),
                reason: "FieldValueRequired",
                message: "Required value: name or generateName is required".into(),
            }],
        });
    }
    // 63 letters with the suffix, so that the name also fits where labels are asked for.
    let prefix: String = prefix.chars().take(58).collect();
    Ok(format!("{prefix}{}", random_suffix()))
}

fn stamp(target: &Target, object: &mut Value, now: Timestamp) {
    let metadata = metadata_mut(object);
    for key in [
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        metadata.shift_remove(key);
    }
    metadata.insert("name".into(), json!(target.key.name));
    metadata.insert("uid".into(), json!(uuid::Uuid::new_v4().to_string()));
    metadata.insert("creationTimestamp".into(), json!(time(now)));
    if target.resource.has_generation() {
        metadata.insert("generation".into(), json!(1));
    }
}
