//! The stores of an installation that keeps its logs outside: a Redis and an S3, both ready to fail.

use anyhow::Result;

use crate::redis::RedisServer;
use crate::s3::S3Server;
use crate::stack::StackOptions;

/// A Redis and an S3.
#[derive(Debug)]
pub struct Stores {
    /// Holds the logs of running tasks.
    pub redis: RedisServer,
    /// Holds the logs of all tasks.
    pub s3: S3Server,
}

impl Stores {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start() -> Result<Self> {
        Ok(Self {
            redis: RedisServer::start()?,
            s3: S3Server::start()?,
        })
    }

    /// Options for a stack that uses them.
    #[must_use]
    pub fn options(&self) -> StackOptions {
        StackOptions {
            arguments: vec![
                "--redis".into(),
                self.redis.address(),
                "--archive".into(),
                self.s3.location(),
            ],
            environment: self.s3.environment(),
            ..StackOptions::default()
        }
    }
}
