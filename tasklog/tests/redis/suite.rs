//! What every live store must do, done by Redis.

use std::sync::Arc;

use async_trait::async_trait;
use codex_tasklog::{LiveLimits, LiveLog, LiveLogWriter};

use crate::live::{Fixture, Start};
use crate::live_suite;
use crate::server::RedisServer;

struct Redis {
    server: RedisServer,
    limits: LiveLimits,
}

#[async_trait]
impl Fixture for Redis {
    fn writer(&self) -> Arc<dyn LiveLogWriter> {
        Arc::new(self.server.store(self.limits))
    }

    fn reader(&self) -> Arc<dyn LiveLog> {
        Arc::new(self.server.store(self.limits))
    }

    async fn wipe(&self, _task: &str) {
        self.server.command("FLUSHALL").await;
    }

    async fn disturb(&self) {
        self.server.command("CLIENT KILL TYPE normal").await;
        self.server.command("CLIENT KILL TYPE pubsub").await;
    }
}

#[async_trait]
impl Start for Redis {
    async fn start(limits: LiveLimits) -> Self {
        Self {
            server: RedisServer::start().await,
            limits,
        }
    }
}

live_suite!(Redis);
