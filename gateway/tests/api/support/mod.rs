//! What the tests share: a database, a Kubernetes API, a gateway, a fake operator and a client.

pub mod client;
pub mod faults;
pub mod forge;
pub mod nginx;
pub mod oidc;
pub mod process;
pub mod program;
pub mod raw;
pub mod redis;
pub mod relay;
pub mod world;

use std::time::Duration;

pub use codex_test_postgres as postgres;

/// How long anything may take.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not happen in time"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
