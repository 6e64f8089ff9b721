//! Changing objects.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::prepare::{check_namespace, check_type, is_noop, is_released, isolate, spec_changed};
use super::{Part, Target, Written};
use crate::api::Api;
use crate::api::convert::{from_stored, to_stored};
use crate::api::error::ApiError;
use crate::api::object::{metadata_mut, text, uid};
use crate::api::request::WriteOptions;
use crate::api::resources::{Kind, Resource};
use crate::api::store::{Expect, StoreError, Stored};
use crate::api::strategy;
use crate::schema::apply;

/// A change without a resource version is tried again this often when others write between.
const TRIES: usize = 64;

/// The outcome of an edit on the live object.
pub(super) struct Edit {
    pub(super) object: Value,
    /// Whether `managedFields` is already as it should be.
    pub(super) tracked: bool,
}

impl Api {
    /// Replaces an object (PUT).
    pub(crate) async fn update(
        &self,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let resource = &target.resource;
        let mut object = object;
        check_type(resource, &mut object)?;
        check_namespace(target, &mut object)?;
        let given = text(&object, "/metadata/name");
        if given != target.key.name {
            return Err(ApiError::BadRequest(format!(
                "the name of the object ({given}) does not match the name on the URL ({})",
                target.key.name
            )));
        }
        let unconditional = text(&object, "/metadata/resourceVersion").is_empty();
        let absent = self.store.get(&resource.collection, &target.key).is_none();
        if absent && unconditional && creates_on_update(resource.kind) && target.part == Part::Main
        {
            return self.create(target, object, options).await;
        }
        if unconditional && !absent && !allows_unconditional_update(resource.kind) {
            return Err(ApiError::Invalid {
                subject: resource.subject(&target.key.name),
                causes: vec![crate::schema::FieldError {
                    field: "metadata.resourceVersion".into(),
                    reason: "FieldValueInvalid",
                    message: "Invalid value: 0x0: must be specified for an update".into(),
                }],
            });
        }
        self.modify(target, options, |_| {
            Ok(Edit {
                object: object.clone(),
                tracked: false,
            })
        })
        .await
    }

    /// The server's own change of an object: everything may be changed, nothing is tracked.
    pub(crate) async fn edit(
        &self,
        target: &Target,
        change: impl Fn(&mut Value) -> Result<(), ApiError>,
    ) -> Result<Written, ApiError> {
        let options = WriteOptions::internal("codex-local-cluster");
        self.modify(target, &options, |live| {
            let mut object = live.clone();
            change(&mut object)?;
            Ok(Edit {
                object,
                tracked: true,
            })
        })
        .await
    }

    /// Applies `edit` to the live object until no other write comes between.
    pub(super) async fn modify(
        &self,
        target: &Target,
        options: &WriteOptions,
        edit: impl Fn(&Value) -> Result<Edit, ApiError>,
    ) -> Result<Written, ApiError> {
        let resource = &target.resource;
        for _ in 0..TRIES {
            let live = self
                .store
                .get(&resource.collection, &target.key)
                .ok_or_else(|| resource.not_found(&target.key.name))?;
            let old = from_stored(resource, &live.value);
            let change = edit(&old)?;
            check_identity(target, &change.object, &old)?;
            match self.modify_once(target, options, &live, &old, change).await {
                // A version that the client named fails the identity check of the next try.
                Err(StoreOr::Store(StoreError::Conflict)) => {}
                Err(StoreOr::Store(other)) => return Err(other.into()),
                Err(StoreOr::Api(error)) => return Err(error),
                Ok(written) => return Ok(written),
            }
        }
        Err(modified(resource, target))
    }

    async fn modify_once(
        &self,
        target: &Target,
        options: &WriteOptions,
        live: &Stored,
        old: &Value,
        change: Edit,
    ) -> Result<Written, StoreOr> {
        let now = Timestamp::now();
        let resource = &target.resource;
        let mut new = change.object;
        let mut warnings = self.decode(resource, &mut new, options.validation)?;
        warnings.extend(resource.deprecation.clone());
        isolate(target, &mut new, old);
        strategy::prepare_update(resource, &mut new, old, target.part, now);
        let schema = self.schemas.schema(&resource.gvk());
        if !change.tracked {
            apply::track_update(
                schema.as_deref(),
                Some(old),
                &mut new,
                &options.manager,
                target.part.subresource(),
                now,
            );
        }
        if is_noop(&new, old) && !is_released(resource, &new) {
            return Ok(Written {
                object: old.clone(),
                warnings,
                created: false,
            });
        }
        if resource.has_generation() && spec_changed(&new, old) {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64);
            metadata_mut(&mut new).insert("generation".into(), json!(generation.unwrap_or(0) + 1));
        }
        self.validate(target, &new, Some(old))?;
        if options.dry_run {
            return Ok(Written {
                object: new,
                warnings,
                created: false,
            });
        }
        let gone = is_released(resource, &new);
        let (collection, key) = (&resource.collection, &target.key);
        let stored = if gone {
            // Watches see what was stored last: the change that lets go is not stored any more.
            let last = live.value.clone();
            self.store.remove(collection, key, live.rv, last).await
        } else {
            let expect = Expect::Version(live.rv);
            let value = to_stored(resource, new.clone());
            self.store.put(collection, key, expect, value).await
        }
        .map_err(StoreOr::Store)?;
        self.after_write(resource, &stored.value, gone);
        if !gone {
            new = from_stored(resource, &stored.value).into_owned();
        }
        Ok(Written {
            object: new,
            warnings,
            created: false,
        })
    }
}

enum StoreOr {
    Store(StoreError),
    Api(ApiError),
}

impl From<ApiError> for StoreOr {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// Checks name, UID and resource version of what is to be written.
fn check_identity(target: &Target, new: &Value, old: &Value) -> Result<(), ApiError> {
    let resource = &target.resource;
    let given = text(new, "/metadata/name");
    if !given.is_empty() && given != target.key.name {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            target.key.name
        )));
    }
    let (new_uid, old_uid) = (uid(new), uid(old));
    if !new_uid.is_empty() && new_uid != old_uid {
        return Err(ApiError::Conflict {
            subject: resource.subject(&target.key.name),
            message: format!(
                "Precondition failed: UID in precondition: {new_uid}, UID in object meta: {old_uid}"
            ),
        });
    }
    let version = text(new, "/metadata/resourceVersion");
    if !version.is_empty() && version != text(old, "/metadata/resourceVersion") {
        return Err(modified(resource, target));
    }
    Ok(())
}

fn modified(resource: &Resource, target: &Target) -> ApiError {
    ApiError::Conflict {
        subject: resource.subject(&target.key.name),
        message: "the object has been modified; please apply your changes to the latest version and try again".into(),
    }
}

fn creates_on_update(kind: Kind) -> bool {
    matches!(kind, Kind::Lease | Kind::Event)
}

fn allows_unconditional_update(kind: Kind) -> bool {
    !matches!(kind, Kind::Custom | Kind::Crd | Kind::Lease)
}
