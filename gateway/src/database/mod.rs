//! PostgreSQL: the users, the record of every task, the outbox and the audit log.
//!
//! Every statement of the gateway stands in one of these modules, one module for each concern. They know nothing of HTTP and
//! nothing of Kubernetes.

pub mod access;
pub mod administration;
pub mod api_tokens;
pub mod audit;
pub mod audit_log;
pub mod identities;
pub mod login_attempts;
pub mod login_codes;
pub mod observed;
pub mod outbox;
pub mod refresh_tokens;
pub mod status;
pub mod task_list;
pub mod tasks;
pub mod users;

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::error::Error;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// How many connections one gateway takes at most.
const MAX_CONNECTIONS: u32 = 16;
/// How many connections stay open, so that a burst after silence does not have to wait for new ones.
const MIN_CONNECTIONS: u32 = 4;
/// How long a request waits for a connection before it is answered with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be idle and still be believed to be good. Requests that come one after the other save the round trip of a question;
/// whoever comes after a pause, in which the database may have gone and come back, does not meet a dead connection.
const BELIEVED: Duration = Duration::from_millis(250);
/// How long the start waits for a database that is still starting itself.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Connects, brings the schema up to date and answers with the pool.
///
/// # Errors
/// [`Error::DatabaseUrl`] for a malformed address, [`Error::DatabaseAway`] when it cannot be reached within 30 seconds,
/// [`Error::Migration`] when the schema cannot be brought up to date.
pub async fn connect(url: &SecretString) -> Result<PgPool, Error> {
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|_| Error::DatabaseUrl)?
        .application_name("codex-gateway")
        .log_statements(log::LevelFilter::Trace);
    migrate(&options).await?;
    // No statement of the gateway is slow; one that hangs must not hold a connection for ever.
    let options = options.options([
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        // Filters that are not used are NULL; a plan for the values at hand leaves them out, a plan for all values reads every row.
        ("plan_cache_mode", "force_custom_plan"),
        ("idle_in_transaction_session_timeout", "15s"),
    ]);
    Ok(PgPoolOptions::new()
        .min_connections(MIN_CONNECTIONS)
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > BELIEVED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Whether the database answers.
///
/// # Errors
/// Those of the database.
pub async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT 1 AS \"one!\"")
        .fetch_one(pool)
        .await
        .map(drop)
}

/// Runs on a connection of its own, without the time limits of the pool: a migration may take long, and another gateway
/// that starts at the same time has to wait for it.
async fn migrate(options: &PgConnectOptions) -> Result<(), Error> {
    let deadline = tokio::time::Instant::now() + START_TIMEOUT;
    let mut connection = loop {
        match options.connect().await {
            Ok(connection) => break connection,
            Err(error) if tokio::time::Instant::now() < deadline => {
                tracing::info!(%error, "waiting for the database");
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(error) => return Err(Error::DatabaseAway(error)),
        }
    };
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(Error::Migration)?;
    connection.close().await.map_err(Error::DatabaseAway)
}
