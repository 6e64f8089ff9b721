//! The statements of the gateway are compiled against what `.sqlx` says of them. Does the schema still say the same?

use std::path::Path;

use codex_gateway::database;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

use crate::support::postgres;

#[tokio::test]
async fn stored_statements_fit_the_schema() {
    let pool = database::connect(&postgres::database().await.as_str().into())
        .await
        .unwrap();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let mut checked = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let stored: Value = serde_json::from_slice(&text).unwrap();
        let statement = stored["query"].as_str().unwrap().to_owned();
        let described = (&pool)
            .describe(AssertSqlSafe(statement.clone()).into_sql_str())
            .await
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
        assert_eq!(
            json!(described),
            stored["describe"],
            "run `make generate`: {statement}"
        );
        checked += 1;
    }
    assert!(checked > 70, "only {checked} statements");
    pool.close().await;
}
