//! The servers that are compared. Each runs as a process of its own.

mod feed;
mod naive;
mod ours;
mod process;
mod raw;
mod redis;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

pub(crate) use ours::task_id;
pub(crate) use process::{Peers, Server};
pub(crate) use redis::{
    Redis, read as read_redis, store as redis_store, stream as redis_stream, task as redis_task,
};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// What one writes first: axum `Sse` over a tokio broadcast, encoded per connection.
    Naive,
    /// nginx with the nchan module.
    Nchan,
    /// The limit: plain TCP, 256 lines a send, no HTTP after the first answer.
    Raw,
    /// The gateway's streams, flushed as SDKs and the command line want it.
    Ours,
    /// The same, flushed as UIs want it.
    OursUi,
    /// A reader of Redis: one XREAD BLOCK over all tasks.
    Xread,
    /// A reader of Redis: a subscription to all tasks, for entries that are added and published without any check.
    Publish,
    /// A reader of Redis: our live store.
    Store,
    /// The gateway's streams of logs in Redis.
    Chain,
}

impl Kind {
    /// As tables name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive (axum `Sse` + broadcast)",
            Self::Nchan => "nginx + nchan",
            Self::Raw => "raw TCP, 256 lines a send",
            Self::Ours => "**ours**",
            Self::OursUi => "**ours**, flushed for UIs",
            Self::Xread => "XREAD BLOCK over all tasks",
            Self::Publish => "XADD + PUBLISH (the limit)",
            Self::Store => "**ours** (`RedisStore`)",
            Self::Chain => "**ours**, from append to client",
        }
    }

    /// As the command line names it.
    pub(crate) fn argument(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Where clients of a task read.
    pub(crate) fn path(self, task: usize) -> String {
        match self {
            Self::Nchan => format!("/sub/{task}"),
            Self::OursUi => format!("/stream/{task}?pace=ui"),
            _ => format!("/stream/{task}"),
        }
    }
}

/// Runs one of our own servers until standard input ends.
///
/// # Errors
/// When it cannot listen.
pub(crate) fn serve(kind: Kind, redis: Option<u16>) -> Result<()> {
    match kind {
        Kind::Naive => feed::run(naive::serve),
        Kind::Raw => raw::run(),
        Kind::Ours | Kind::OursUi => feed::run(ours::serve),
        Kind::Chain => {
            let redis = redis.context("the streams of logs in Redis need its port")?;
            feed::run(|listeners| ours::serve_redis(listeners, redis))
        }
        Kind::Nchan | Kind::Xread | Kind::Publish | Kind::Store => {
            anyhow::bail!("{} is no server of this program", kind.name())
        }
    }
}

/// Where the programs of others are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Programs {
    /// The nginx program.
    #[arg(long, env = "CODEX_BENCH_NGINX", default_value = "/usr/sbin/nginx")]
    pub(crate) nginx: PathBuf,
    /// The nchan module of the same nginx (Debian: libnginx-mod-nchan).
    #[arg(
        long,
        env = "CODEX_BENCH_NCHAN_MODULE",
        default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so"
    )]
    pub(crate) nchan_module: PathBuf,
    /// The Redis server (Debian: redis-server).
    #[arg(
        long,
        env = "CODEX_BENCH_REDIS",
        default_value = "/usr/bin/redis-server"
    )]
    pub(crate) redis_server: PathBuf,
}
