//! What a request asks for: its path, query and body options.

mod path;

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::path::ResourcePath;
use super::error::ApiError;

/// The query string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        Self(
            url::form_urlencoded::parse(query.unwrap_or("").as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The value of a parameter that is there and not empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, v)| k == key && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// Whether a boolean parameter is set; `?watch` and `?watch=1` count.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.0.iter().find(|(k, _)| k == key).is_some_and(|(_, v)| {
            !matches!(v.as_str(), "false" | "0" | "f" | "F" | "False" | "FALSE")
        })
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, ApiError> {
        self.get(key)
            .map(|v| {
                v.parse()
                    .map_err(|_| ApiError::BadRequest(format!("{key}: {v:?} is not a number")))
            })
            .transpose()
    }
}

/// Which revision a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    /// Not said: the newest.
    Unset,
    /// "0": whatever is at hand, which is the newest here too.
    Any,
    /// A number.
    At(u64),
}

/// Options of list and watch.
#[derive(Clone, Debug)]
pub(crate) struct ListOptions {
    pub(crate) label_selector: Option<String>,
    pub(crate) field_selector: Option<String>,
    pub(crate) revision: Revision,
    pub(crate) exact: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) continue_token: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) bookmarks: bool,
    pub(crate) send_initial_events: bool,
}

impl ListOptions {
    pub(crate) fn parse(query: &Query) -> Result<Self, ApiError> {
        let revision = match query.get("resourceVersion") {
            None => Revision::Unset,
            Some("0") => Revision::Any,
            Some(rv) => Revision::At(rv.parse().map_err(|_| {
                ApiError::BadRequest(format!("resourceVersion: Invalid value: {rv:?}"))
            })?),
        };
        let exact = match query.get("resourceVersionMatch") {
            None | Some("NotOlderThan") => false,
            Some("Exact") => true,
            Some(other) => {
                return Err(ApiError::unknown_option(
                    "ListOptions",
                    "resourceVersionMatch",
                    other,
                    &["Exact", "NotOlderThan"],
                ));
            }
        };
        Ok(Self {
            label_selector: query.get("labelSelector").map(str::to_owned),
            field_selector: query.get("fieldSelector").map(str::to_owned),
            revision,
            exact,
            // Upstream takes a negative limit for none.
            limit: query
                .number::<i64>("limit")?
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0),
            continue_token: query.get("continue").map(str::to_owned),
            timeout: query
                .number("timeoutSeconds")?
                .filter(|n| *n > 0)
                .map(Duration::from_secs),
            bookmarks: query.flag("allowWatchBookmarks"),
            send_initial_events: query.flag("sendInitialEvents"),
        })
    }
}

/// What to do with unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// Options of create, update and patch.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    /// Who writes, for `managedFields`.
    pub(crate) manager: String,
    /// Whether the query named the manager, as server-side apply demands.
    pub(crate) manager_given: bool,
    pub(crate) force: bool,
    pub(crate) validation: FieldValidation,
}

impl WriteOptions {
    /// `options` is the name of the options in errors, such as `CreateOptions`.
    pub(crate) fn parse(query: &Query, user_agent: &str, options: &str) -> Result<Self, ApiError> {
        let given = query.get("fieldManager");
        // Upstream falls back on the user agent's first word.
        let fallback = user_agent.split(['/', ' ']).next().unwrap_or("");
        let validation = match query.get("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let known = ["Ignore", "Strict", "Warn"];
                let field = "fieldValidation";
                return Err(ApiError::unknown_option(options, field, other, &known));
            }
        };
        Ok(Self {
            dry_run: dry_run(query.get("dryRun"), options)?,
            manager: given
                .or((!fallback.is_empty()).then_some(fallback))
                .unwrap_or("unknown")
                .chars()
                .take(128)
                .collect(),
            manager_given: given.is_some(),
            force: query.flag("force"),
            validation,
        })
    }

    /// For the server's own controllers.
    pub(crate) fn internal(manager: &str) -> Self {
        Self {
            dry_run: false,
            manager: manager.to_owned(),
            manager_given: true,
            force: false,
            validation: FieldValidation::Ignore,
        }
    }
}

fn dry_run(value: Option<&str>, options: &str) -> Result<bool, ApiError> {
    match value {
        None => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(ApiError::unknown_option(options, "dryRun", other, &["All"])),
    }
}

/// How dependents are treated when their owner is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// What must hold for a deletion.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preconditions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

/// The body or query of a deletion.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) preconditions: Option<Preconditions>,
    pub(crate) orphan_dependents: Option<bool>,
    /// As it was sent; [`DeleteOptions::parse`] has checked it.
    #[serde(rename = "propagationPolicy")]
    pub(crate) policy: Option<String>,
    #[serde(skip)]
    pub(crate) propagation_policy: Option<Propagation>,
    pub(crate) dry_run: Vec<String>,
}

impl DeleteOptions {
    /// From the body, or from the query when there is none.
    pub(crate) fn parse(query: &Query, body: Option<Value>) -> Result<Self, ApiError> {
        let mut options: Self = match body {
            Some(body) => serde_json::from_value(body)
                .map_err(|e| ApiError::BadRequest(format!("invalid DeleteOptions: {e}")))?,
            None => Self::default(),
        };
        if options.grace_period_seconds.is_none() {
            options.grace_period_seconds = query.number("gracePeriodSeconds")?;
        }
        let policy = options
            .policy
            .as_deref()
            .or_else(|| query.get("propagationPolicy"));
        options.propagation_policy = policy.map(propagation).transpose()?;
        if options.propagation_policy.is_some() && options.orphan_dependents.is_some() {
            return Err(ApiError::invalid_option(
                "DeleteOptions",
                "propagationPolicy",
                "FieldValueInvalid",
                "Invalid value: orphanDependents and deletionPropagation cannot be both set",
            ));
        }
        if let Some(value) = query.get("dryRun") {
            options.dry_run.push(value.to_owned());
        }
        if options.grace_period_seconds.is_some_and(|s| s < 0) {
            // Upstream takes a negative period for the smallest that is not immediate.
            options.grace_period_seconds = Some(1);
        }
        Ok(options)
    }

    pub(crate) fn is_dry_run(&self) -> Result<bool, ApiError> {
        dry_run(self.dry_run.first().map(String::as_str), "DeleteOptions")
    }

    /// The policy, with the older `orphanDependents` folded in.
    pub(crate) fn propagation(&self) -> Option<Propagation> {
        self.propagation_policy.or(match self.orphan_dependents {
            Some(true) => Some(Propagation::Orphan),
            Some(false) => Some(Propagation::Background),
            None => None,
        })
    }
}

fn propagation(policy: &str) -> Result<Propagation, ApiError> {
    match policy {
        "Background" => Ok(Propagation::Background),
        "Foreground" => Ok(Propagation::Foreground),
        "Orphan" => Ok(Propagation::Orphan),
        other => Err(ApiError::unknown_option(
            "DeleteOptions",
            "propagationPolicy",
            other,
            &["Background", "Foreground", "Orphan"],
        )),
    }
}
