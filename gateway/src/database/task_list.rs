//! Lists of tasks: pages, filters and search.
//!
//! Each list is one statement with all filters; those that are not used are NULL. The pool asks for plans that are made for the values at
//! hand, so such a filter costs nothing, and `tests/api/plans.rs` holds the plans to what the indexes can do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::{Map, QueryScalar};
use sqlx::types::Json;
use sqlx::{PgPool, Postgres};
use uuid::Uuid;

use super::tasks::{Scope, TaskRow, query_task};

/// How many characters of a prompt a list shows.
const PREVIEW: i32 = 280;

/// Which part of which tasks.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose tasks.
    pub scope: Scope,
    /// How many of the newest to skip.
    pub offset: i64,
    /// How many to answer with.
    pub limit: i64,
    /// Only those in this state.
    pub phase: Option<Phase>,
    /// Only those in this repository.
    pub repository: Option<String>,
    /// Not older than this.
    pub from: Option<DateTime<Utc>>,
    /// Older than this.
    pub to: Option<DateTime<Utc>>,
    /// Only those whose prompt, repository or owner has this text, or whose id begins with it.
    pub text: Option<String>,
    /// The time and the id of the last task of the page before.
    pub after: Option<(DateTime<Utc>, Uuid)>,
}

/// Up to how many tasks are counted: knowing whether there are ten thousand or a million is not worth reading them all.
pub const COUNTED: i64 = 10_000;

/// What the filters come to.
struct Filter {
    user: Option<Uuid>,
    state: Option<&'static str>,
    pattern: Option<String>,
    lowest: Option<Uuid>,
    highest: Option<Uuid>,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let ids = query.text.as_deref().and_then(ids_beginning_with);
        Self {
            user: query.scope.user(),
            state: query.phase.map(Phase::as_str),
            pattern: query.text.as_deref().map(like_pattern),
            lowest: ids.map(|(lowest, _)| lowest),
            highest: ids.map(|(_, highest)| highest),
        }
    }
}

/// The statement of a page, newest first.
pub fn page(
    query: &Query,
) -> Map<'static, Postgres, impl FnMut(PgRow) -> Result<TaskRow, sqlx::Error> + Send, PgArguments> {
    let filter = Filter::of(query);
    query_task!(
        "left(prompt, $13) AS \"prompt!\", length(prompt) > $13 AS \"prompt_truncated!\", \
         '{}'::jsonb AS \"env!: Json<BTreeMap<String, String>>\"",
        " FROM tasks WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2) \
         AND ($3::text IS NULL OR repository = $3) \
         AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5) \
         AND ($6::text IS NULL OR prompt ILIKE $6 OR repository ILIKE $6 OR owner ILIKE $6 OR id BETWEEN $7::uuid AND $8::uuid) \
         AND ($9::timestamptz IS NULL OR (created_at, id) < ($9, $10::uuid)) \
         ORDER BY created_at DESC, id DESC OFFSET $11 LIMIT $12",
        filter.user,
        filter.state,
        query.repository.as_deref(),
        query.from,
        query.to,
        filter.pattern.as_deref(),
        filter.lowest,
        filter.highest,
        query.after.map(|(at, _)| at),
        query.after.map(|(_, id)| id),
        query.offset,
        query.limit,
        PREVIEW,
    )
}

/// The statement that counts, up to [`COUNTED`]. The order makes an index the natural way to read.
pub fn count(query: &Query) -> QueryScalar<'static, Postgres, i64, PgArguments> {
    let filter = Filter::of(query);
    sqlx::query_scalar!(
        "SELECT count(*) AS \"count!\" FROM (SELECT 1 \
         FROM tasks WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2) \
         AND ($3::text IS NULL OR repository = $3) \
         AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5) \
         AND ($6::text IS NULL OR prompt ILIKE $6 OR repository ILIKE $6 OR owner ILIKE $6 OR id BETWEEN $7::uuid AND $8::uuid) \
         ORDER BY created_at DESC, id DESC LIMIT $9) AS counted",
        filter.user,
        filter.state,
        query.repository.as_deref(),
        query.from,
        query.to,
        filter.pattern.as_deref(),
        filter.lowest,
        filter.highest,
        COUNTED,
    )
}

/// A part of the tasks, newest first, and how many there are in all, counted up to [`COUNTED`].
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &PgPool, query: &Query) -> Result<(Vec<TaskRow>, i64), sqlx::Error> {
    let rows = page(query).fetch_all(pool).await?;
    let total = count(query).fetch_one(pool).await?;
    Ok((rows, total))
}

/// The lowest and the highest id that begin with a text, when ids may begin like that.
fn ids_beginning_with(text: &str) -> Option<(Uuid, Uuid)> {
    let model = Uuid::nil().to_string();
    let fits = !text.is_empty()
        && text.len() <= model.len()
        && text.bytes().zip(model.bytes()).all(|(byte, place)| {
            if place == b'-' {
                byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        });
    if !fits {
        return None;
    }
    let lowest = format!("{text}{}", &model[text.len()..]);
    let highest = format!("{text}{}", &model[text.len()..].replace('0', "f"));
    Some((lowest.parse().ok()?, highest.parse().ok()?))
}

/// Text to look for, with the characters escaped that mean something to LIKE.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn wildcards_are_text() {
        assert_eq!(super::like_pattern(r"50%_\"), r"%50\%\_\\%");
    }

    #[test]
    fn beginnings_of_ids_are_recognised() {
        let range = |text| super::ids_beginning_with(text);
        let id = "0190d9f5-0000-7000-8000-000000000001";
        let only = id.parse().unwrap();
        assert_eq!(range(id), Some((only, only)));
        let (lowest, highest) = range("0190D9F5-0").unwrap();
        assert_eq!(lowest.to_string(), "0190d9f5-0000-0000-0000-000000000000");
        assert_eq!(highest.to_string(), "0190d9f5-0fff-ffff-ffff-ffffffffffff");
        for bad in [
            "",
            "x",
            "0190d9f50",
            "app",
            "0190d9f5-0000-7000-8000-0000000000011",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }
}
