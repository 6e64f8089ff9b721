//! Forgets what is old: audit rows past their time, and idempotency keys that nobody will repeat.
//!
//! Every gateway tries once an hour; the work is done in small batches, and doing it twice does nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::database::{audit_log, tasks};

/// How often it is looked for something to forget.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How many rows one transaction forgets.
const BATCH: i64 = 1_000;
/// How many batches one round has; the next round goes on.
const BATCHES: usize = 200;

/// Works until shutdown.
pub async fn run(app: Arc<App>) {
    loop {
        if let Err(error) = forget(&app).await {
            tracing::warn!(%error, "old rows cannot be removed; trying again in an hour");
        }
        tokio::select! {
            () = app.shutdown.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn forget(app: &App) -> Result<(), sqlx::Error> {
    let (mut rows, mut keys) = (0, 0);
    for _ in 0..BATCHES {
        let expired = match app.settings.audit_days {
            0 => 0,
            days => audit_log::expire(&app.pool, days, BATCH).await?,
        };
        let forgotten = tasks::forget_idempotency_keys(&app.pool, BATCH).await?;
        rows += expired;
        keys += forgotten;
        if expired + forgotten == 0 || app.shutdown.is_cancelled() {
            break;
        }
    }
    if rows + keys > 0 {
        tracing::info!(
            audit.rows = rows,
            idempotency.keys = keys,
            "old rows are removed"
        );
    }
    Ok(())
}
