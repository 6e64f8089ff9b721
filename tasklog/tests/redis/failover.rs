//! A primary that dies and a replica that takes over behind the same address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use codex_tasklog::{LiveLimits, LiveLog, LiveLogWriter, LogError};
use tokio::sync::Mutex;

use crate::live::follow::{Archived, Recovery, until, write};
use crate::live::{Fixture, Start, frames, random, unlimited};
use crate::proxy::Proxy;
use crate::server::RedisServer;
use crate::support::{TASK, check, finish, readers, write_slowly};

struct Pair {
    proxy: Proxy,
    limits: LiveLimits,
    servers: Mutex<Servers>,
}

struct Servers {
    primary: RedisServer,
    replica: RedisServer,
}

impl Servers {
    /// The replica has what the primary has.
    async fn replicate(&self) {
        self.replica
            .command(&format!(
                "REPLICAOF {} {}",
                RedisServer::host(),
                self.primary.port()
            ))
            .await;
        until("replication", || async {
            let replication = self.replica.text("INFO replication").await;
            replication.contains("master_link_status:up")
        })
        .await;
    }
}

#[async_trait]
impl Start for Pair {
    async fn start(limits: LiveLimits) -> Self {
        const AT_ONCE: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
        let servers = Servers {
            primary: RedisServer::listening(&AT_ONCE).await,
            replica: RedisServer::listening(&AT_ONCE).await,
        };
        servers.replicate().await;
        Self {
            proxy: Proxy::before(&servers.primary),
            limits,
            servers: Mutex::new(servers),
        }
    }
}

#[async_trait]
impl Fixture for Pair {
    fn writer(&self) -> Arc<dyn LiveLogWriter> {
        Arc::new(self.proxy.store(self.limits))
    }

    fn reader(&self) -> Arc<dyn LiveLog> {
        Arc::new(self.proxy.store(self.limits))
    }

    async fn wipe(&self, _task: &str) {
        self.servers.lock().await.primary.command("FLUSHALL").await;
    }

    async fn disturb(&self) {
        let servers = self.servers.lock().await;
        servers.primary.command("CLIENT KILL TYPE normal").await;
        servers.primary.command("CLIENT KILL TYPE pubsub").await;
    }

    async fn stop_replication(&self) {
        let servers = self.servers.lock().await;
        servers.replica.command("REPLICAOF NO ONE").await;
    }

    async fn fail_over(&self) {
        let mut servers = self.servers.lock().await;
        servers.primary.kill();
        servers.replica.command("REPLICAOF NO ONE").await;
        self.proxy.lead_to(&servers.replica);
        let servers = &mut *servers;
        std::mem::swap(&mut servers.primary, &mut servers.replica);
        servers.replica.run().await;
        servers.replicate().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lacks_the_newest_frames_gets_them_again() {
    let pair = Pair::start(unlimited()).await;
    let archived = Archived::default();
    let readers = readers(|| pair.proxy.store(unlimited()), &archived);
    let store = pair.proxy.store(unlimited());
    write_slowly(&store, 1, 300, &archived).await;
    for round in 0..2 {
        let last = 300 + 200 * round;
        until("replication", || async {
            let replica = &pair.servers.lock().await.replica;
            let copy = replica.store(unlimited());
            copy.last(TASK).await.is_ok_and(|reached| reached == last)
        })
        .await;
        pair.stop_replication().await;
        write_slowly(&store, last + 1, last + 100, &archived).await;
        pair.fail_over().await;
        assert_eq!(store.last(TASK).await.unwrap(), last);
        let next = last + 101;
        let hole = store.append(TASK, &frames(next..=next)).await.unwrap_err();
        assert!(
            matches!(hole, LogError::Hole { last: reached, .. } if reached == last),
            "{hole}"
        );
        write_slowly(&store, next, last + 200, &archived).await;
    }
    finish(&store, 701, &archived).await;
    check(readers, 701).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_not_yet_promoted_is_waited_for() {
    let pair = Pair::start(unlimited()).await;
    let store = pair.proxy.store(unlimited());
    store.append(TASK, &frames(1..=100)).await.unwrap();
    let servers = pair.servers.lock().await;
    servers.primary.kill();
    // The address leads to the replica before that may be written to.
    pair.proxy.lead_to(&servers.replica);
    let archived = Archived::default();
    let append = write(
        &store,
        TASK,
        90..=110,
        None,
        Recovery::FromTheStart,
        &archived,
    );
    let promote = async {
        // Long enough for several tries.
        tokio::time::sleep(Duration::from_millis(300)).await;
        servers.replica.command("REPLICAOF NO ONE").await;
    };
    tokio::join!(append, promote);
    assert_eq!(store.last(TASK).await.unwrap(), 110);
}

#[test]
fn random_histories_with_failovers_give_every_reader_every_number_once() {
    random::run::<Pair>(random::Extent::Small);
}
