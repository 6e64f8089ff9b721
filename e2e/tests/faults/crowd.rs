//! A task, and clients of every manner who watch it.

use std::time::Duration;

use anyhow::{Result, ensure};
use codex_e2e::{Manner, Record, Seen, Stack, Stores, Task, Transcript, watch};
use tokio::task::JoinSet;

/// How long a slow client is slow: longer than any of the tasks takes.
const SLOW: Duration = Duration::from_secs(8);
/// How long a restless client stays at most.
pub(crate) const STAY: Duration = Duration::from_millis(80);
const RESTLESS: usize = 4;

pub(crate) struct Crowd {
    pub(crate) task: Task,
    guide: Transcript,
    messages: usize,
    clients: JoinSet<Result<Seen>>,
}

/// What was found out about a task and its crowd.
pub(crate) struct Compared {
    /// How often the clients connected, all together.
    pub(crate) connections: u32,
    /// What the runner wrote.
    pub(crate) record: Record,
}

impl Crowd {
    /// Submits a task that says `message 1` to `message N`, one every 100 ms.
    pub(crate) async fn gather(stack: &Stack, messages: usize) -> Result<Self> {
        let prompt = format!("[demo:messages {messages} 100]");
        let task = stack.admin().await?.prompt(stack.cwd(), &prompt).await?;
        let mut clients = JoinSet::new();
        let manners = [Manner::Steady, Manner::Slow(SLOW)]
            .into_iter()
            .chain([Manner::Restless(STAY); RESTLESS]);
        for manner in manners {
            let task = task.clone();
            clients.spawn(async move { watch(&task, manner).await });
        }
        Ok(Self {
            task,
            guide: Transcript::default(),
            messages,
            clients,
        })
    }

    /// Waits until the task has said so many messages.
    pub(crate) async fn heard(&mut self, messages: usize) -> Result<()> {
        self.task
            .follow_on(&mut self.guide, |seen| count(seen) >= messages)
            .await
    }

    /// Waits for the end of the task and of all clients, and compares what they saw with what the runner wrote.
    pub(crate) async fn compare(mut self, stores: &Stores) -> Result<Compared> {
        self.heard(usize::MAX).await?;
        ensure!(count(&self.guide) == self.messages, "{:#?}", self.guide);
        ensure!(
            self.guide.items("thread.started").count() == 1,
            "codex ran once: {:#?}",
            self.guide
        );
        let mut seen = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            seen.push(client??);
        }
        self.task.wait_for("completed").await?;
        let record = Record::read(&stores.s3.objects(), &self.task.id).await?;
        let late = watch(&self.task, Manner::Steady).await?;
        for client in seen.iter().chain([&late]) {
            ensure!(
                client.digest.hex() == record.digest.hex(),
                "the runner wrote {} frames, and {client:?} is something else",
                record.digest.last()
            );
            ensure!(client.exit_code == Some(0), "{client:?}");
        }
        let connections: u32 = seen.iter().map(|client| client.connections).sum();
        println!(
            "{} frames, {} clients over {connections} connections: SHA-256 {}",
            record.digest.last(),
            seen.len() + 1,
            record.digest.hex()
        );
        Ok(Compared {
            connections,
            record,
        })
    }
}

fn count(seen: &Transcript) -> usize {
    seen.items("item.completed")
        .filter(|data| {
            data["item"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with("message "))
        })
        .count()
}
