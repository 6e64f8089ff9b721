//! kill -9 while a task talks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Manner, Stack, Stores, watch};

use crate::crowd::{Crowd, STAY};

/// How long Redis is away, so that what depends on it has tried in vain.
const AWAY: Duration = Duration::from_secs(1);

pub(crate) fn add(suite: &mut Suite, stores: &Arc<Stores>) {
    let with = |stores: &Arc<Stores>| Arc::clone(stores);
    let these = with(stores);
    suite.add("kills::two_hundred_reconnects", |stack| async move {
        let crowd = Crowd::gather(&stack, 80).await?;
        let task = crowd.task.clone();
        let compared = crowd.compare(&these).await?;
        let mut connections = compared.connections;
        // On a busy machine they may have been fewer during the run; the log that is over takes the rest.
        while connections < 200 {
            let seen = watch(&task, Manner::Restless(STAY)).await?;
            connections += seen.connections;
            ensure!(
                seen.digest.hex() == compared.record.digest.hex(),
                "{seen:?}"
            );
        }
        Ok(())
    });
    let these = with(stores);
    suite.add("kills::operator", |stack| async move {
        part(&stack, &these, "operator").await
    });
    let these = with(stores);
    suite.add("kills::gateway", |stack| async move {
        part(&stack, &these, "gateway").await
    });
    let these = with(stores);
    suite.add("kills::redis", |stack| async move {
        redis(&stack, &these, Memory::Kept).await
    });
    let these = with(stores);
    suite.add("kills::redis_comes_back_empty", |stack| async move {
        redis(&stack, &these, Memory::Lost).await
    });
    let these = with(stores);
    suite.add("kills::everything_at_once", |stack| async move {
        everything(&stack, &these).await
    });
}

async fn part(stack: &Stack, stores: &Stores, part: &str) -> Result<()> {
    let mut crowd = Crowd::gather(stack, 40).await?;
    for messages in [5, 15, 25] {
        crowd.heard(messages).await?;
        stack.kill_9_and_await(part).await?;
    }
    crowd.compare(stores).await?;
    Ok(())
}

#[derive(Clone, Copy)]
enum Memory {
    Kept,
    Lost,
}

async fn redis(stack: &Stack, stores: &Stores, memory: Memory) -> Result<()> {
    let mut crowd = Crowd::gather(stack, 50).await?;
    for messages in [5, 25] {
        crowd.heard(messages).await?;
        stores.redis.kill_9()?;
        tokio::time::sleep(AWAY).await;
        match memory {
            Memory::Kept => stores.redis.start_again().await?,
            Memory::Lost => stores.redis.start_empty().await?,
        }
    }
    crowd.compare(stores).await?;
    Ok(())
}

/// Redis loses everything while the operator and the gateway are dead too, so that nobody remembers how far anybody was.
async fn everything(stack: &Stack, stores: &Stores) -> Result<()> {
    let mut crowd = Crowd::gather(stack, 50).await?;
    for messages in [5, 25] {
        crowd.heard(messages).await?;
        stores.redis.kill_9()?;
        stores.s3.refuse();
        let dead = ["operator", "gateway"].map(|part| stack.kill_9_and_await(part));
        futures::future::try_join_all(dead).await?;
        stores.redis.start_empty().await?;
        stores.s3.serve_again();
    }
    crowd.compare(stores).await?;
    Ok(())
}
