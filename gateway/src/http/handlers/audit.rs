//! `/api/audit`: who did what, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::database::audit::{self, Action};
use crate::database::audit_log::{self, After, AuditRow, Filter};
use crate::http::cursor::Cursor;
use crate::http::envelope::{ApiError, Envelope};
use crate::http::extract::{Parameters, bounded, moment, plain_text};
use crate::http::identity::Identity;
use crate::streams::encode::rfc3339;
use crate::tasks::validate::Invalid;

/// The most entries that one page has.
const MAX_LIMIT: i64 = 1_000;
/// How many rows an export reads at once: all that it ever holds.
const CHUNK: i64 = 1_000;
/// What stands before the id of a task.
const TASK: &str = "task:";

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Only what this actor did: an email address, or the name of a part of the system.
    #[param(max_length = 1000)]
    actor: Option<String>,
    /// Only this action, for example `task.create`.
    #[param(max_length = 1000)]
    action: Option<String>,
    /// Only what was done to this: `task:<id>`, `user:<id>`, `api_token:<id>` or `session:<id>`.
    #[param(max_length = 1000)]
    target: Option<String>,
    /// Only what was done with this: `session:<id>` or `api_token:<id>`.
    #[param(max_length = 1000)]
    credential: Option<String>,
    /// Not older than this.
    #[param(format = DateTime)]
    from: Option<String>,
    /// Older than this.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many entries to answer with.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// The `next_cursor` of the page before.
    #[param(pattern = "^([0-9a-f]{48})?$")]
    cursor: Option<String>,
}

/// An entry.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    id: i64,
    #[schema(format = DateTime)]
    at: String,
    /// An email address, or the name of a part of the system.
    actor: String,
    /// The user, where there is one.
    #[schema(required, format = "uuid")]
    user_id: Option<String>,
    /// For example `task.create`.
    action: String,
    /// `task:<id>`, `user:<id>`, `api_token:<id>` or `session:<id>`.
    #[schema(required)]
    target: Option<String>,
    /// With what: `session:<id>` or `api_token:<id>`. A login names the session that it began.
    #[schema(required)]
    credential: Option<String>,
    /// What the API token was called then.
    #[schema(required)]
    credential_name: Option<String>,
    /// The address that the request came from.
    #[schema(required)]
    ip: Option<String>,
    /// The id of the request, as in the log of the gateway.
    #[schema(required)]
    request_id: Option<String>,
}

/// A page of entries.
#[derive(Serialize, ToSchema)]
pub struct AuditPage {
    entries: Vec<AuditEntry>,
    /// Leads to the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// `GET /api/audit`, newest first.
///
/// # Errors
/// 400 for a parameter that is out of bounds, 403.
#[utoipa::path(
    get,
    path = "/api/audit",
    tag = "audit",
    security(("bearer" = [])),
    summary = "Read the audit log, newest first",
    params(AuditFilter, PageQuery),
    responses(
        (status = 200, body = AuditPage),
        (status = 403, description = "You are no administrator.", body = Envelope<'_>),
    ),
)]
pub async fn list_audit(
    State(app): State<Arc<App>>,
    identity: Identity,
    Parameters(filter): Parameters<AuditFilter>,
    Parameters(page): Parameters<PageQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    identity.require_admin()?;
    let filter = filter.check()?;
    let limit = bounded("limit", page.limit.unwrap_or(100), 1, MAX_LIMIT)?;
    let cursor = page.cursor.filter(|text| !text.is_empty());
    let after = cursor.map(|text| after(&text)).transpose()?;
    let rows = audit_log::list(&app.pool, &filter, after, limit).await?;
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next_cursor = rows.last().filter(|_| is_full).map(cursor_of);
    Ok(Json(AuditPage {
        entries: rows.into_iter().map(AuditEntry::from).collect(),
        next_cursor,
    }))
}

/// `GET /api/audit/export`: every entry, one line of JSON each. It is put on record itself.
///
/// # Errors
/// 400 for a parameter that is out of bounds, 403.
#[utoipa::path(
    get,
    path = "/api/audit/export",
    tag = "audit",
    security(("bearer" = [])),
    summary = "Export the audit log as NDJSON, newest first",
    description = "One `AuditEntry` a line. An export that ends early breaks the connection.",
    params(AuditFilter),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 403, description = "You are no administrator.", body = Envelope<'_>),
    ),
)]
pub async fn export_audit(
    State(app): State<Arc<App>>,
    identity: Identity,
    Parameters(filter): Parameters<AuditFilter>,
) -> Result<Response, ApiError> {
    identity.require_admin()?;
    let filter = filter.check()?;
    let mut connection = app.pool.acquire().await?;
    audit::record(
        &mut connection,
        &identity.actor(),
        Action::AuditExported,
        None,
    )
    .await?;
    drop(connection);
    // A filter that the database cannot use fails here, where it can still be told.
    let first = audit_log::list(&app.pool, &filter, None, CHUNK).await?;
    let body = Body::from_stream(export(app.pool.clone(), filter, first));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-ndjson"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"audit.ndjson\""),
        ),
    ];
    Ok((headers, body).into_response())
}

/// Reads on when the client has taken what there was.
fn export(
    pool: PgPool,
    filter: Filter,
    first: Vec<AuditRow>,
) -> impl futures::Stream<Item = Result<Bytes, sqlx::Error>> + Send + 'static {
    stream::try_unfold(Some(first), move |rows| {
        let (pool, filter) = (pool.clone(), filter.clone());
        async move {
            let Some(rows) = rows.filter(|rows| !rows.is_empty()) else {
                return Ok(None);
            };
            let last = rows.last().map(|row| After {
                at: row.at,
                id: row.id,
            });
            let mut text = Vec::with_capacity(rows.len() * 256);
            for row in rows {
                // An entry is made of strings and numbers.
                serde_json::to_writer(&mut text, &AuditEntry::from(row))
                    .expect("an entry always serializes into memory");
                text.push(b'\n');
            }
            let next = audit_log::list(&pool, &filter, last, CHUNK).await?;
            Ok(Some((Bytes::from(text), Some(next))))
        }
    })
}

impl AuditFilter {
    fn check(self) -> Result<Filter, ApiError> {
        let mut filter = Filter {
            actor: plain_text("actor", self.actor)?,
            action: plain_text("action", self.action)?,
            credential: plain_text("credential", self.credential)?,
            from: moment("from", self.from)?,
            to: moment("to", self.to)?,
            ..Filter::default()
        };
        let target = plain_text("target", self.target)?;
        match target.as_deref().and_then(|it| it.strip_prefix(TASK)) {
            Some(id) => filter.task_id = Some(id.parse().map_err(|_| no_target())?),
            None => filter.target = target,
        }
        Ok(filter)
    }
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: rfc3339(row.at),
            actor: row.actor,
            user_id: row.user_id.map(|id| id.to_string()),
            action: row.action,
            target: row.task_id.map(|id| format!("{TASK}{id}")).or(row.target),
            credential: row.credential,
            credential_name: row.credential_name,
            ip: row.ip,
            request_id: row.request_id,
        }
    }
}

fn no_target() -> Invalid {
    Invalid {
        field: "target",
        message:
            "target must be task: and the id of a task, user:<id>, api_token:<id> or session:<id>"
                .to_owned(),
    }
}

fn cursor_of(row: &AuditRow) -> String {
    let cursor = Cursor {
        at: row.at,
        id: u128::from(row.id.unsigned_abs()),
    };
    cursor.to_string()
}

fn after(text: &str) -> Result<After, Invalid> {
    let cursor: Cursor = text.parse()?;
    Ok(After {
        at: cursor.at,
        id: i64::try_from(cursor.id).unwrap_or(i64::MAX),
    })
}
