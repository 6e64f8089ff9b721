//! Reading the audit log, and forgetting what is old enough.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Map;
use sqlx::{PgPool, Postgres};
use uuid::Uuid;

use super::audit::{self, Action, Actor};

/// A row.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// Numbers the rows.
    pub id: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: an email address, or the name of a part of the system.
    pub actor: String,
    /// The user, where there is one.
    pub user_id: Option<Uuid>,
    /// What.
    pub action: String,
    /// To which task.
    pub task_id: Option<Uuid>,
    /// To what else.
    pub target: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// With what.
    pub credential: Option<String>,
    /// What an API token was called then.
    pub credential_name: Option<String>,
}

/// Which rows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this actor, in whatever case it is written.
    pub actor: Option<String>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those about this task.
    pub task_id: Option<Uuid>,
    /// Only those about this.
    pub target: Option<String>,
    /// Only those of whoever acted with this.
    pub credential: Option<String>,
    /// Not older than this.
    pub from: Option<DateTime<Utc>>,
    /// Older than this.
    pub to: Option<DateTime<Utc>>,
}

/// Where the last page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The time of its last row.
    pub at: DateTime<Utc>,
    /// The number of its last row.
    pub id: i64,
}

/// The statement of a page, newest first.
pub fn page(
    filter: &Filter,
    after: Option<After>,
    limit: i64,
) -> Map<'static, Postgres, impl FnMut(PgRow) -> Result<AuditRow, sqlx::Error> + Send, PgArguments>
{
    sqlx::query_as!(
        AuditRow,
        "SELECT id, at, actor, user_id, action, task_id, target, ip, request_id, credential, credential_name FROM audit \
         WHERE ($1::text IS NULL OR lower(actor) = lower($1)) AND ($2::text IS NULL OR action = $2) \
         AND ($3::uuid IS NULL OR task_id = $3) AND ($4::text IS NULL OR target = $4) \
         AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6) \
         AND ($7::timestamptz IS NULL OR (at, id) < ($7, $8::bigint)) AND ($10::text IS NULL OR credential = $10) \
         ORDER BY at DESC, id DESC LIMIT $9",
        filter.actor.as_deref(),
        filter.action.as_deref(),
        filter.task_id,
        filter.target.as_deref(),
        filter.from,
        filter.to,
        after.map(|after| after.at),
        after.map(|after| after.id),
        limit,
        filter.credential.as_deref(),
    )
}

/// A page of rows, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(
    pool: &PgPool,
    filter: &Filter,
    after: Option<After>,
    limit: i64,
) -> Result<Vec<AuditRow>, sqlx::Error> {
    page(filter, after, limit).fetch_all(pool).await
}

/// Removes up to `limit` rows that are older than `days`, the oldest first, and puts that on record; answers with how many.
///
/// # Errors
/// Those of the database. Rows that are younger than 30 days are refused by the database itself.
pub async fn expire(pool: &PgPool, days: u32, limit: i64) -> Result<u64, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query_scalar!("SELECT set_config('codex.audit_expiry', 'on', true)")
        .fetch_one(&mut *transaction)
        .await?;
    let done = sqlx::query!(
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < now() - make_interval(days => $1) ORDER BY at, id LIMIT $2)",
        i32::try_from(days).unwrap_or(i32::MAX),
        limit,
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() > 0 {
        let actor = Actor::system("gateway");
        audit::record(&mut transaction, &actor, Action::AuditExpired, None).await?;
    }
    transaction.commit().await?;
    Ok(done.rows_affected())
}
