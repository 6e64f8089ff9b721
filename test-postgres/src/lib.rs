//! A PostgreSQL for tests: the one of `CODEX_TEST_DATABASE_URL`, or one that lives as long as this process. Whoever asks gets a database of
//! their own.

mod server;

use std::str::FromStr as _;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};

use crate::server::Server;

/// How long a new server may take until it answers.
const DEADLINE: Duration = Duration::from_secs(30);

static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();

/// The URL of a new, empty database.
///
/// # Errors
/// When there is no PostgreSQL, or it does not start; the error says what to install.
pub async fn create_database() -> anyhow::Result<String> {
    let server = tokio::task::spawn_blocking(|| {
        SERVER.get_or_init(|| Server::start().map_err(|error| format!("{error:#}")))
    })
    .await?;
    let url = match server {
        Ok(server) => &server.url,
        Err(error) => anyhow::bail!("{error}"),
    };
    let options = PgConnectOptions::from_str(url)?;
    let mut connection = connect(&options).await?;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await?;
    connection.close().await?;
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (base, _) = base
        .rsplit_once('/')
        .context("the URL of the database names none")?;
    Ok(format!("{base}/{name}?{query}"))
}

/// The same, for tests.
///
/// # Panics
/// When [`create_database`] fails.
pub async fn database() -> String {
    create_database()
        .await
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// Asks until the server has started.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}
