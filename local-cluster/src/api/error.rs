//! Errors of the API, as the `Status` objects that every Kubernetes client understands.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::store::StoreError;
use crate::schema::FieldError;

/// The resource that an error is about: plural and group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The API group, empty for the core group.
    pub group: String,
    /// The plural, or the kind in errors about an object's content.
    pub resource: String,
    /// The object's kind, for [`ApiError::Invalid`].
    pub kind: String,
    /// The object's name.
    pub name: String,
}

impl Subject {
    /// `pods` or `codextasks.codexrunner.io`.
    fn qualified(&self, what: &str) -> String {
        if self.group.is_empty() {
            what.to_owned()
        } else {
            format!("{what}.{}", self.group)
        }
    }
}

/// Every way in which the API refuses.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the request makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no or unknown credentials.
    #[error("Unauthorized")]
    Unauthorized,
    /// 403: the policy does not allow it.
    #[error("{message}")]
    Forbidden {
        /// The resource, if it is about one.
        subject: Box<Subject>,
        /// Who may not do what.
        message: String,
        /// A machine-readable cause, such as `NamespaceTerminating`.
        cause: Option<&'static str>,
    },
    /// 404 for an object.
    #[error("{} \"{}\" not found", .0.qualified(&.0.resource), .0.name)]
    NotFound(Box<Subject>),
    /// 404 for a path or resource that this server does not have.
    #[error("the server could not find the requested resource")]
    NoSuchPath,
    /// 404 for a part that objects of this kind do not have, such as `scale`.
    #[error("the server could not find the requested resource")]
    NoSuchPart(Box<Subject>),
    /// 405.
    #[error("the server does not allow this method on the requested resource")]
    MethodNotAllowed,
    /// 405 for a method that the objects of a kind do not have.
    #[error("{method} is not supported on resources of kind {:?}", .subject.qualified(&.subject.resource))]
    NoSuchMethod {
        /// The kind.
        subject: Box<Subject>,
        /// The verb.
        method: String,
    },
    /// 406.
    #[error(
        "only the following media types are accepted: application/json, application/yaml, application/json;stream=watch"
    )]
    NotAcceptable,
    /// 409: the name is taken.
    #[error("{} \"{}\" already exists", .0.qualified(&.0.resource), .0.name)]
    AlreadyExists(Box<Subject>),
    /// 409: the object changed, or a precondition does not hold.
    #[error("Operation cannot be fulfilled on {} \"{}\": {message}", .subject.qualified(&.subject.resource), .subject.name)]
    Conflict {
        /// The object.
        subject: Box<Subject>,
        /// What does not hold.
        message: String,
    },
    /// 409: another field manager owns what was applied.
    #[error("Apply failed with {} conflict{}: {}", .causes.len(), if .causes.len() == 1 { "" } else { "s" }, join(.causes))]
    ApplyConflict {
        /// One per field.
        causes: Vec<FieldError>,
    },
    /// 410.
    #[error("{message}")]
    Expired {
        /// Which revision is gone.
        message: String,
        /// Where an inconsistent list may go on.
        continue_token: Option<String>,
    },
    /// 413.
    #[error("Request entity too large: limit is {0} bytes")]
    TooLarge(usize),
    /// 415.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// 422.
    #[error("{} \"{}\" is invalid: {}", .subject.qualified(&.subject.kind), .subject.name, join(.causes))]
    Invalid {
        /// The object.
        subject: Box<Subject>,
        /// One per field.
        causes: Vec<FieldError>,
    },
    /// 422 for a patch that does not fit.
    #[error("the server rejected our request due to an error in our request: {0}")]
    Unprocessable(String),
    /// 500 without a reason, as upstream has it: what was applied does not fit the schema.
    #[error("failed to create typed patch object ({object}): {problems}")]
    NotTyped {
        /// Namespace, name and type of the object.
        object: String,
        /// What does not fit.
        problems: String,
    },
    /// 500.
    #[error("Internal error occurred: {0}")]
    Internal(String),
    /// 503.
    #[error("{0}")]
    Unavailable(String),
    /// 504: a revision from the future.
    #[error("{0}")]
    FutureRevision(String),
}

fn join(causes: &[FieldError]) -> String {
    match causes {
        [one] => one.to_string(),
        many => format!(
            "[{}]",
            many.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

impl ApiError {
    /// 422 for a parameter of the request; `options` is what upstream reads it into, such as `ListOptions`.
    pub(crate) fn invalid_option(
        options: &str,
        field: &str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            subject: Box::new(Subject {
                group: "meta.k8s.io".into(),
                kind: options.to_owned(),
                ..Subject::default()
            }),
            causes: vec![FieldError {
                field: field.to_owned(),
                reason,
                message: message.into(),
            }],
        }
    }

    /// The same for a value that is none of those that there are.
    pub(crate) fn unknown_option(options: &str, field: &str, given: &str, known: &[&str]) -> Self {
        let known: Vec<String> = known.iter().map(|one| format!("{one:?}")).collect();
        let message = format!(
            "Unsupported value: {given:?}: supported values: {}",
            known.join(", ")
        );
        Self::invalid_option(options, field, FieldError::NOT_SUPPORTED, message)
    }

    /// The HTTP status code and the `reason` of the Status.
    pub fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::NotFound(_) | Self::NoSuchPath | Self::NoSuchPart(_) => {
                (StatusCode::NOT_FOUND, "NotFound")
            }
            Self::MethodNotAllowed | Self::NoSuchMethod { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
            }
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "NotAcceptable"),
            Self::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
            Self::Conflict { .. } | Self::ApplyConflict { .. } => {
                (StatusCode::CONFLICT, "Conflict")
            }
            Self::Expired { .. } => (StatusCode::GONE, "Expired"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            Self::UnsupportedMediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType")
            }
            Self::Invalid { .. } | Self::Unprocessable(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Invalid")
            }
            Self::NotTyped { .. } => (StatusCode::INTERNAL_SERVER_ERROR, ""),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::FutureRevision(_) => (StatusCode::GATEWAY_TIMEOUT, "Timeout"),
        }
    }

    /// The `Status` object.
    pub fn to_status(&self) -> Value {
        let (code, reason) = self.code();
        let mut metadata = Map::new();
        let details = match self {
            Self::NotFound(s)
            | Self::NoSuchPart(s)
            | Self::NoSuchMethod { subject: s, .. }
            | Self::AlreadyExists(s)
            | Self::Conflict { subject: s, .. } => Some(details(s, &s.resource, &[])),
            Self::Invalid { subject, causes } => Some(details(
                subject,
                &subject.kind,
                &causes.iter().map(cause).collect::<Vec<_>>(),
            )),
            Self::Forbidden { subject, cause, .. } => {
                let causes = cause.map(|c| json!({"reason": c}));
                Some(details(subject, &subject.resource, causes.as_slice()))
            }
            Self::ApplyConflict { causes } => {
                Some(json!({"causes": causes.iter().map(cause).collect::<Vec<_>>()}))
            }
            Self::FutureRevision(message) => Some(json!({
                "causes": [{"reason": "ResourceVersionTooLarge", "message": message}],
                "retryAfterSeconds": 1,
            })),
            Self::Unavailable(_) => Some(json!({"retryAfterSeconds": 1})),
            Self::Expired { continue_token, .. } => {
                if let Some(token) = continue_token {
                    metadata.insert("continue".into(), json!(token));
                }
                None
            }
            _ => None,
        };
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.to_string(),
            "reason": reason,
            "code": code.as_u16(),
        });
        if let Some(map) = status.as_object_mut() {
            if reason.is_empty() {
                map.shift_remove("reason");
            }
            if let Some(details) = details {
                map.insert("details".into(), details);
            }
        }
        status
    }
}

fn details(subject: &Subject, kind: &str, causes: &[Value]) -> Value {
    let mut out = Map::new();
    for (key, text) in [
        ("name", subject.name.as_str()),
        ("group", &subject.group),
        ("kind", kind),
    ] {
        if !text.is_empty() {
            out.insert(key.into(), json!(text));
        }
    }
    if !causes.is_empty() {
        out.insert("causes".into(), json!(causes));
    }
    Value::Object(out)
}

fn cause(error: &FieldError) -> Value {
    json!({"reason": error.reason, "message": error.message, "field": error.field})
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            // Callers that know the object say which; this is the last resort.
            StoreError::Conflict => Self::Conflict {
                subject: Box::default(),
                message: error.to_string(),
            },
            StoreError::Expired { .. } => Self::Expired {
                message: error.to_string(),
                continue_token: None,
            },
            StoreError::Future { .. } => Self::FutureRevision(error.to_string()),
            StoreError::Disk(message) => Self::Unavailable(message),
        }
    }
}
