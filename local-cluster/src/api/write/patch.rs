//! PATCH in its four forms.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::prepare::{check_namespace, check_patched_type, check_type, drop_nulls};
use super::update::Edit;
use super::{Part, Target, Written};
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{metadata_mut, text};
use crate::api::request::WriteOptions;
use crate::api::resources::{Kind, Resource};
use crate::schema::apply::{self, ApplyError, ApplyRequest};
use crate::schema::patch::{self, PatchError};
use crate::schema::{FieldError, Schema};

/// The content types of PATCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchType {
    pub(crate) fn parse(resource: &Resource, content_type: &str) -> Result<Self, ApiError> {
        match content_type {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if resource.kind != Kind::Custom => {
                Ok(Self::Strategic)
            }
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ => {
                let strategic = if resource.kind == Kind::Custom {
                    ""
                } else {
                    ", application/strategic-merge-patch+json"
                };
                Err(ApiError::UnsupportedMediaType(format!(
                    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml{strategic}"
                )))
            }
        }
    }
}

impl Api {
    /// Patches an object; server-side apply creates it when it is missing.
    pub(crate) async fn patch(
        &self,
        target: &Target,
        kind: PatchType,
        patch: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if kind == PatchType::Apply {
            return self.apply(target, patch, options).await;
        }
        if options.force {
            return Err(ApiError::invalid_option(
                "PatchOptions",
                "force",
                "FieldValueForbidden",
                "Forbidden: may not be specified for non-apply patch",
            ));
        }
        let resource = &target.resource;
        let schema = self.schemas.schema(&resource.gvk());
        self.modify(target, options, |live| {
            let mut object = match kind {
                PatchType::Json => patch::json_patch(live, patch),
                PatchType::Merge => Ok(patch::merge_patch(live, patch)),
                PatchType::Strategic | PatchType::Apply => match schema.as_deref() {
                    Some(schema) => patch::strategic_merge(schema, live, patch),
                    None => Ok(patch::merge_patch(live, patch)),
                },
            }
            .map_err(patch_error)?;
            if !object.is_object() {
                return Err(ApiError::BadRequest(
                    "the patched object is not an object".into(),
                ));
            }
            check_patched_type(resource, &object)?;
            check_type(resource, &mut object)?;
            check_namespace(target, &mut object)?;
            Ok(Edit {
                object,
                tracked: false,
            })
        })
        .await
    }

    async fn apply(
        &self,
        target: &Target,
        applied: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let resource = &target.resource;
        if !options.manager_given {
            return Err(ApiError::invalid_option(
                "PatchOptions",
                "fieldManager",
                "FieldValueRequired",
                "Required value: is required for apply patch",
            ));
        }
        let mut applied = applied.clone();
        if text(&applied, "/apiVersion").is_empty() || text(&applied, "/kind").is_empty() {
            return Err(ApiError::BadRequest(
                "the applied object must have apiVersion and kind".into(),
            ));
        }
        if applied
            .pointer("/metadata/managedFields")
            .is_some_and(|m| !m.is_null())
        {
            return Err(ApiError::BadRequest(
                "metadata.managedFields must be nil".into(),
            ));
        }
        check_type(resource, &mut applied)?;
        check_namespace(target, &mut applied)?;
        if resource.kind != Kind::Custom && resource.kind != Kind::Crd {
            drop_nulls(&mut applied);
        }
        let schema = self.schemas.schema(&resource.gvk());
        if let Some(schema) = schema.as_deref() {
            check_typed(target, schema, &applied)?;
        }
        keep_own_part(target, &mut applied);
        let request = || ApplyRequest {
            manager: &options.manager,
            force: options.force,
            subresource: target.part.subresource(),
            now: Timestamp::now(),
        };
        loop {
            let exists = self.store.get(&resource.collection, &target.key).is_some();
            let result = if exists {
                self.modify(target, options, |live| {
                    let object = apply::apply(schema.as_deref(), Some(live), &applied, &request())
                        .map_err(|e| apply_error(target, e))?;
                    Ok(Edit {
                        object,
                        tracked: true,
                    })
                })
                .await
            } else {
                if target.part != Part::Main || !text(&applied, "/metadata/uid").is_empty() {
                    return Err(resource.not_found(&target.key.name));
                }
                metadata_mut(&mut applied).insert("name".into(), json!(target.key.name));
                let object = apply::apply(schema.as_deref(), None, &applied, &request())
                    .map_err(|e| apply_error(target, e))?;
                self.create_once(target, object, options, false).await
            };
            match result {
                // Someone deleted or created it between the look and the write.
                Err(ApiError::NotFound(s))
                    if exists && s.name == target.key.name && s.resource == resource.plural => {}
                Err(ApiError::AlreadyExists(_)) if !exists => {}
                result => return result,
            }
        }
    }
}

/// What is applied has to fit the schema, whatever `fieldValidation` says: who owns a field that nobody knows, or a word where a number is?
fn check_typed(target: &Target, schema: &Schema, applied: &Value) -> Result<(), ApiError> {
    let unknown = schema.default_and_prune(&mut applied.clone());
    let mut problems: Vec<String> = unknown
        .into_iter()
        .map(|field| format!(".{field}: field not declared in schema"))
        .collect();
    // The other kinds have quantities and numbers that may be words.
    if problems.is_empty() && target.resource.kind == Kind::Custom {
        let wrong = schema.validate(applied, None).into_iter();
        problems.extend(
            wrong
                // Null takes a field away, whatever its type.
                .filter(|error| {
                    error.reason == FieldError::TYPE_INVALID && !error.message.contains("\"null\"")
                })
                .map(|error| format!(".{error}")),
        );
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(not_typed(target, &problems.join("; ")))
}

fn not_typed(target: &Target, problems: &str) -> ApiError {
    let resource = &target.resource;
    ApiError::NotTyped {
        object: format!(
            "{}/{}; {}, Kind={}",
            target.key.namespace,
            target.key.name,
            resource.api_version(),
            resource.kind_name
        ),
        problems: problems.to_owned(),
    }
}

/// What the endpoint ignores must not become owned either.
fn keep_own_part(target: &Target, applied: &mut Value) {
    let Some(map) = applied.as_object_mut() else {
        return;
    };
    match target.part {
        Part::Main if target.resource.has_status => {
            map.shift_remove("status");
        }
        Part::Status => {
            map.retain(|k, _| matches!(k.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|k, _| {
                    matches!(k.as_str(), "name" | "namespace" | "uid" | "resourceVersion")
                });
            }
        }
        Part::Main | Part::Finalize | Part::Internal => {}
    }
}

fn patch_error(error: PatchError) -> ApiError {
    match error {
        PatchError::Malformed(message) => ApiError::BadRequest(message),
        PatchError::Unprocessable(message) => ApiError::Unprocessable(message),
    }
}

fn apply_error(target: &Target, error: ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts(conflicts) => ApiError::ApplyConflict {
            causes: conflicts
                .into_iter()
                .map(|c| FieldError {
                    message: format!("conflict with {}", c.manager),
                    field: c.field,
                    reason: "FieldManagerConflict",
                })
                .collect(),
        },
        ApplyError::Invalid(causes) => ApiError::Invalid {
            subject: target.resource.subject(&target.key.name),
            causes,
        },
        ApplyError::NotTyped(problems) => not_typed(target, &problems),
        ApplyError::BadRequest(message) => ApiError::BadRequest(message),
    }
}
