//! Failed logins, counted for all gateways together. What is counted, and how patient it is, is the matter of
//! [`auth::throttle`](crate::auth::throttle).

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

/// For how long a failure is remembered, in seconds.
pub const MEMORY_SECONDS: f64 = 15.0 * 60.0;

/// Something that failures are counted for.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// What it is, as a hash.
    pub key: [u8; 32],
    /// How many failures are free. Past that each attempt has to wait: a second, and twice as long every time.
    pub free: i32,
    /// The longest wait.
    pub longest_wait: Duration,
}

/// Counts an attempt as failed; nothing is counted, and the answer is how long to wait, when it comes too early.
///
/// # Errors
/// Those of the database.
pub async fn begin(pool: &PgPool, counts: &[Count]) -> Result<Option<Duration>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for count in counts {
        let counted = sqlx::query!(
            "INSERT INTO login_attempts AS a (key, failures, last_at) VALUES ($1, 1, clock_timestamp()) \
             ON CONFLICT (key) DO UPDATE SET last_at = clock_timestamp(), failures = \
             CASE WHEN a.last_at < clock_timestamp() - make_interval(secs => $4) THEN 1 ELSE a.failures + 1 END \
             WHERE a.failures < $2 \
             OR a.last_at + make_interval(secs => least(power(2, least(a.failures - $2, 30)), $3)) <= clock_timestamp()",
            &count.key[..],
            count.free,
            count.longest_wait.as_secs_f64(),
            MEMORY_SECONDS,
        )
        .execute(&mut *transaction)
        .await?;
        if counted.rows_affected() == 0 {
            let left = sqlx::query_scalar!(
                "SELECT extract(epoch FROM last_at - clock_timestamp())::float8 \
                 + least(power(2, least(failures - $2, 30)), $3) AS \"left!\" FROM login_attempts WHERE key = $1",
                &count.key[..],
                count.free,
                count.longest_wait.as_secs_f64(),
            )
            .fetch_optional(&mut *transaction)
            .await?;
            let left = left.unwrap_or_default().max(0.001);
            return Ok(Some(Duration::from_secs_f64(left)));
        }
    }
    transaction.commit().await?;
    Ok(None)
}

/// Whether this was ever remembered, and not forgotten yet.
///
/// # Errors
/// Those of the database.
pub async fn is_remembered(pool: &PgPool, key: &[u8; 32]) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT EXISTS (SELECT 1 FROM login_attempts WHERE key = $1) AS \"exists!\"",
        &key[..],
    )
    .fetch_one(pool)
    .await
}

/// What a login that was good does to a count.
#[derive(Clone, Copy, Debug)]
pub enum Settlement {
    /// It starts afresh.
    Forgive,
    /// It gets the failure back that was counted for the attempt.
    GiveBack,
    /// It is kept in mind.
    Remember,
}

/// The attempt was good after all.
///
/// # Errors
/// Those of the database.
pub async fn settle(
    connection: &mut PgConnection,
    settlements: &[([u8; 32], Settlement)],
) -> Result<(), sqlx::Error> {
    for (key, settlement) in settlements {
        let statement = match settlement {
            Settlement::Forgive => {
                sqlx::query!("DELETE FROM login_attempts WHERE key = $1", &key[..])
            }
            Settlement::GiveBack => sqlx::query!(
                "UPDATE login_attempts SET failures = greatest(failures - 1, 0) WHERE key = $1",
                &key[..],
            ),
            // Failures are never negative otherwise.
            Settlement::Remember => sqlx::query!(
                "INSERT INTO login_attempts (key, failures, last_at) VALUES ($1, -1, now()) \
                 ON CONFLICT (key) DO UPDATE SET last_at = now()",
                &key[..],
            ),
        };
        statement.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Forgets failures after their time, and addresses from which somebody logged in after a month.
///
/// # Errors
/// Those of the database.
pub async fn forget_old(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM login_attempts WHERE last_at < now() - interval '30 days' \
         OR (failures >= 0 AND last_at < now() - interval '1 hour')",
    )
    .execute(pool)
    .await?;
    Ok(())
}
