//! Lists of tasks: pages, filters and search.
//!
//! Each list is one statement with all filters; those that are not used are NULL. The pool asks for plans that are made for the values at
//! hand, so such a filter costs nothing, and `tests/api/plans.rs` holds the plans to what the indexes can do.

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use sqlx::PgPool;
use uuid::Uuid;

use super::status::status_columns;
use super::tasks::{Scope, TaskRow};

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

/// The filters. Parameters: user, state, repository, from, to, pattern, lowest and highest id.
macro_rules! filter {
    () => {
        " FROM tasks WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR state = $2) \
         AND ($3::text IS NULL OR repository = $3) \
         AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5) \
         AND ($6::text IS NULL OR prompt ILIKE $6 OR repository ILIKE $6 OR owner ILIKE $6 OR id BETWEEN $7::uuid AND $8::uuid)"
    };
}

/// A page, newest first. Further parameters: time and id of the task before, offset, limit, length of a preview.
pub const PAGE: &str = concat!(
    "SELECT ",
    status_columns!(),
    ", name, owner, left(prompt, $13) AS prompt, length(prompt) > $13 AS prompt_truncated, cwd, repository, \
     '{}'::jsonb AS env, model, timeout_seconds, usage, thread_id, resume_from",
    filter!(),
    " AND ($9::timestamptz IS NULL OR (created_at, id) < ($9, $10::uuid)) \
     ORDER BY created_at DESC, id DESC OFFSET $11 LIMIT $12"
);

/// How many there are. A further parameter: where to stop counting. The order makes an index the natural way to read.
pub const COUNT: &str = concat!(
    "SELECT count(*) FROM (SELECT 1",
    filter!(),
    " ORDER BY created_at DESC, id DESC LIMIT $9) AS counted"
);

/// A part of the tasks, newest first, and how many there are in all, counted up to [`COUNTED`].
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &PgPool, query: &Query) -> Result<(Vec<TaskRow>, i64), sqlx::Error> {
    let pattern = query.text.as_deref().map(like_pattern);
    let ids = query.text.as_deref().and_then(ids_beginning_with);
    let phase = query.phase.map(Phase::as_str);
    let rows = sqlx::query_as(PAGE)
        .bind(query.scope.user())
        .bind(phase)
        .bind(query.repository.as_deref())
        .bind(query.from)
        .bind(query.to)
        .bind(pattern.as_deref())
        .bind(ids.map(|ids| ids.0))
        .bind(ids.map(|ids| ids.1))
        .bind(query.after.map(|after| after.0))
        .bind(query.after.map(|after| after.1))
        .bind(query.offset)
        .bind(query.limit)
        .bind(PREVIEW)
        .fetch_all(pool)
        .await?;
    let total = sqlx::query_scalar(COUNT)
        .bind(query.scope.user())
        .bind(phase)
        .bind(query.repository.as_deref())
        .bind(query.from)
        .bind(query.to)
        .bind(pattern.as_deref())
        .bind(ids.map(|ids| ids.0))
        .bind(ids.map(|ids| ids.1))
        .bind(COUNTED)
        .fetch_one(pool)
        .await?;
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
