//! The queries of lists at a million tasks: none may read the whole table.

use std::time::Instant;

use chrono::{DateTime, Utc};
use codex_crds::Phase;
use codex_gateway::database::audit_log::{After, Filter};
use codex_gateway::database::task_list::Query;
use codex_gateway::database::tasks::Scope;
use codex_gateway::database::{self, audit_log, task_list};
use sqlx::{AssertSqlSafe, Execute, PgPool, Postgres, Row as _};
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
    INSERT INTO audit (at, actor, action, task_id, credential)
    SELECT timestamptz '2026-01-01' + n * interval '1 second', 'user' || n % 1000 || '@example.test', 'act.' || n % 20,
        ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'session:' || n % 500
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

/// What PostgreSQL makes of a statement as the gateway sends it.
async fn explain<'q>(pool: &PgPool, mut statement: impl Execute<'q, Postgres>) -> String {
    let arguments = statement.take_arguments().unwrap().unwrap();
    let sql = AssertSqlSafe(format!("EXPLAIN (ANALYZE) {}", statement.sql().as_str()));
    let rows = sqlx::query_with(sql, arguments).fetch_all(pool).await;
    let lines: Vec<String> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_read_from_indexes() {
    let begun = Instant::now();
    let pool = filled().await;
    println!("filled in {:?}", begun.elapsed());
    let user_id: Uuid = USER.parse().unwrap();
    let user = Scope::User(user_id);
    let time = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
    let middle = time("2026-01-07T00:00:00Z");
    let id: Uuid = "00000000-0000-7000-8000-000000500000".parse().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let all = || Query {
        scope: Scope::All,
        offset: 0,
        limit: 50,
        phase: None,
        repository: None,
        from: None,
        to: None,
        text: None,
        after: None,
    };
    let own = || Query {
        scope: user,
        ..all()
    };
    let after = middle.map(|at| (at, Uuid::max()));
    #[rustfmt::skip]
    let cases = [
        ("all", all()),
        ("of a user", own()),
        ("rare state", Query { phase: Some(Phase::Running), ..all() }),
        ("usual state", Query { phase: Some(Phase::Completed), ..all() }),
        ("state of a user", Query { phase: Some(Phase::Running), ..own() }),
        ("repository", Query { repository: text("repository-7"), ..all() }),
        ("repository of a user", Query { repository: text("repository-8"), ..own() }),
        ("time", Query { from: middle, to: time("2026-01-07T01:00:00Z"), ..all() }),
        ("rare text", Query { text: text("number 777777 "), ..all() }),
        ("text of a user", Query { text: text("number 777778 "), ..own() }),
        ("an id", Query { text: Some(id.to_string()), ..all() }),
        ("usual text", Query { text: text("task number"), ..all() }),
        ("cursor", Query { after, ..all() }),
        ("cursor of a user", Query { after, ..own() }),
    ];
    for (name, query) in &cases {
        let page = explain(&pool, task_list::page(query)).await;
        assert!(!page.contains("Seq Scan"), "{name}: {page}");
        let count = explain(&pool, task_list::count(query)).await;
        assert!(!count.contains("Seq Scan"), "{name}: {count}");
        let time = |plan: &str| plan.lines().last().unwrap_or_default().to_owned();
        println!("{name}: page {}, count {}", time(&page), time(&count));
    }

    let open = explain(
        &pool,
        sqlx::query(
            "SELECT count(*) FROM tasks WHERE user_id = $1 AND state IN ('queued', 'running')",
        )
        .bind(user_id),
    )
    .await;
    assert!(
        open.contains("Index") && !open.contains("Seq Scan"),
        "{open}"
    );

    let after = middle.map(|at| After { at, id: i64::MAX });
    #[rustfmt::skip]
    let cases = [
        (Filter::default(), None),
        (Filter { actor: text("user7@example.test"), ..Filter::default() }, None),
        (Filter { action: text("act.7"), ..Filter::default() }, None),
        (Filter { task_id: Some(id), ..Filter::default() }, None),
        (Filter { credential: text("session:7"), ..Filter::default() }, None),
        (Filter::default(), after),
    ];
    for (filter, after) in &cases {
        let plan = explain(&pool, audit_log::page(filter, *after, 100)).await;
        assert!(!plan.contains("Seq Scan"), "{filter:?} {after:?}: {plan}");
    }
    pool.close().await;
}
