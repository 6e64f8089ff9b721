//! The queries of lists at a million tasks: none may read the whole table.

use std::time::Instant;

use chrono::{DateTime, Utc};
use codex_gateway::database;
use codex_gateway::database::{audit_log, task_list};
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use uuid::Uuid;

use crate::support::postgres;

/// Users, of which the first has half of all tasks.
const USER: &str = "00000000-0000-0000-0000-000000000001";
const FILL: &str = "
    INSERT INTO users (id, email, password_hash, role)
    SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n || '@example.test', 'x', 'user'
    FROM generate_series(1, 1000) AS n;
    INSERT INTO tasks (id, name, user_id, owner, prompt, repository, state, created_at, finished_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, n::text,
        ('00000000-0000-0000-0000-' || lpad((CASE WHEN n % 2 = 0 THEN 1 ELSE n % 1000 + 1 END)::text, 12, '0'))::uuid,
        'user' || n % 1000 || '@example.test', 'task number ' || n || ' of many', 'repository-' || n % 50,
        CASE WHEN n % 100000 = 0 THEN 'running' ELSE 'completed' END,
        timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-03-01'
    FROM generate_series(1, 1000000) AS n;
    INSERT INTO audit (at, actor, action, task_id)
    SELECT timestamptz '2026-01-01' + n * interval '1 second', 'user' || n % 1000 || '@example.test', 'act.' || n % 20,
        ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid
    FROM generate_series(1, 100000) AS n;";

/// A database as the gateway uses it, with a million tasks.
async fn filled() -> PgPool {
    let pool = database::connect(&postgres::database().await.as_str().into())
        .await
        .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    // Indexes are built once and not a million times; all but those that constraints have.
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename IN ('tasks', 'audit') \
         AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let mut script = String::from(
        "SET statement_timeout = 0; SET maintenance_work_mem = '512MB'; SET synchronous_commit = off;",
    );
    for (name, _) in &indexes {
        script += &format!("DROP INDEX {name};");
    }
    script += FILL;
    for (_, definition) in &indexes {
        script += &format!("{definition};");
    }
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql("VACUUM ANALYZE tasks")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql("VACUUM ANALYZE audit")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql("RESET statement_timeout; RESET maintenance_work_mem; RESET synchronous_commit")
        .execute(&mut *connection)
        .await
        .unwrap();
    drop(connection);
    pool
}

#[derive(Default)]
struct Filter<'a> {
    user: Option<Uuid>,
    state: Option<&'a str>,
    repository: Option<&'a str>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    text: Option<&'a str>,
    id: Option<Uuid>,
    after: Option<DateTime<Utc>>,
}

async fn explain_page(pool: &PgPool, filter: &Filter<'_>) -> String {
    let query = AssertSqlSafe(format!("EXPLAIN (ANALYZE) {}", task_list::PAGE));
    let rows = sqlx::query(query)
        .bind(filter.user)
        .bind(filter.state)
        .bind(filter.repository)
        .bind(filter.from)
        .bind(filter.to)
        .bind(filter.text)
        .bind(filter.id)
        .bind(filter.id)
        .bind(filter.after)
        .bind(filter.after.map(|_| Uuid::max()))
        .bind(0_i64)
        .bind(50_i64)
        .bind(280_i32)
        .fetch_all(pool)
        .await;
    plan(&rows.unwrap())
}

async fn explain_count(pool: &PgPool, filter: &Filter<'_>) -> String {
    let query = AssertSqlSafe(format!("EXPLAIN (ANALYZE) {}", task_list::COUNT));
    let rows = sqlx::query(query)
        .bind(filter.user)
        .bind(filter.state)
        .bind(filter.repository)
        .bind(filter.from)
        .bind(filter.to)
        .bind(filter.text)
        .bind(filter.id)
        .bind(filter.id)
        .bind(task_list::COUNTED)
        .fetch_all(pool)
        .await;
    plan(&rows.unwrap())
}

fn plan(rows: &[sqlx::postgres::PgRow]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_from_indexes() {
    let begun = Instant::now();
    let pool = filled().await;
    println!("filled in {:?}", begun.elapsed());
    let user = Some(USER.parse().unwrap());
    let time = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    let middle = time("2026-01-07T00:00:00Z");
    let id = Some("00000000-0000-7000-8000-000000500000".parse().unwrap());
    let cases = [
        ("all", Filter::default()),
        (
            "of a user",
            Filter {
                user,
                ..Filter::default()
            },
        ),
        (
            "rare state",
            Filter {
                state: Some("running"),
                ..Filter::default()
            },
        ),
        (
            "usual state",
            Filter {
                state: Some("completed"),
                ..Filter::default()
            },
        ),
        (
            "state of a user",
            Filter {
                user,
                state: Some("running"),
                ..Filter::default()
            },
        ),
        (
            "repository",
            Filter {
                repository: Some("repository-7"),
                ..Filter::default()
            },
        ),
        (
            "repository of a user",
            Filter {
                user,
                repository: Some("repository-8"),
                ..Filter::default()
            },
        ),
        (
            "time",
            Filter {
                from: middle,
                to: time("2026-01-07T01:00:00Z"),
                ..Filter::default()
            },
        ),
        (
            "rare text",
            Filter {
                text: Some("%number 777777 %"),
                ..Filter::default()
            },
        ),
        (
            "text of a user",
            Filter {
                user,
                text: Some("%number 777778 %"),
                ..Filter::default()
            },
        ),
        (
            "an id",
            Filter {
                text: Some("%00000000-0000-7000-8000-000000500000%"),
                id,
                ..Filter::default()
            },
        ),
        (
            "usual text",
            Filter {
                text: Some("%task number%"),
                ..Filter::default()
            },
        ),
        (
            "cursor",
            Filter {
                after: middle,
                ..Filter::default()
            },
        ),
        (
            "cursor of a user",
            Filter {
                user,
                after: middle,
                ..Filter::default()
            },
        ),
    ];
    for (name, filter) in &cases {
        let page = explain_page(&pool, filter).await;
        assert!(!page.contains("Seq Scan"), "{name}: {page}");
        let count = explain_count(&pool, filter).await;
        assert!(!count.contains("Seq Scan"), "{name}: {count}");
        let time = |plan: &str| plan.lines().last().unwrap_or_default().to_owned();
        println!("{name}: page {}, count {}", time(&page), time(&count));
    }

    let open =
        "EXPLAIN SELECT count(*) FROM tasks WHERE user_id = $1 AND state IN ('queued', 'running')";
    let open = plan(&sqlx::query(open).bind(user).fetch_all(&pool).await.unwrap());
    assert!(
        open.contains("Index") && !open.contains("Seq Scan"),
        "{open}"
    );

    for (actor, action, task, after) in [
        (None, None, None, None),
        (Some("user7@example.test"), None, None, None),
        (None, Some("act.7"), None, None),
        (None, None, id, None),
        (None, None, None, middle),
    ] {
        let query = AssertSqlSafe(format!("EXPLAIN {}", audit_log::PAGE));
        let rows = sqlx::query(query)
            .bind(actor)
            .bind(action)
            .bind(task)
            .bind(None::<String>)
            .bind(None::<DateTime<Utc>>)
            .bind(None::<DateTime<Utc>>)
            .bind(after)
            .bind(after.map(|_| i64::MAX))
            .bind(100_i64)
            .fetch_all(&pool)
            .await;
        let plan = plan(&rows.unwrap());
        assert!(
            !plan.contains("Seq Scan"),
            "{actor:?} {action:?} {task:?}: {plan}"
        );
    }
    pool.close().await;
}
