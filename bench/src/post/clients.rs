//! Clients that submit one task after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use codex_crds::{CodexTask, CodexTaskSpec, meta};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::sightings::Sightings;
use super::stage::{BARE, Stage};

const CWD: &str = "/srv/repos/app";
/// As long as that which the gateway gives to a task.
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `POST /api/tasks`, each client as a user of its own.
    Post,
    /// The same, all of them as one user.
    PostAsOne,
    /// The row alone: one INSERT into a table with the same columns, indexes and reference.
    Insert,
    /// The `CodexTask` alone.
    Create,
    /// One after the other.
    InsertAndCreate,
}

impl Kind {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 5] = [
        Self::Post,
        Self::PostAsOne,
        Self::Insert,
        Self::Create,
        Self::InsertAndCreate,
    ];

    /// As the table names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Post => "**`POST /api/tasks`**",
            Self::PostAsOne => "**`POST /api/tasks`**, all as one user",
            Self::Insert => "bare INSERT",
            Self::Create => "bare create",
            Self::InsertAndCreate => "bare INSERT, then bare create",
        }
    }

    const fn inserts(self) -> bool {
        matches!(self, Self::Insert | Self::InsertAndCreate)
    }

    const fn creates(self) -> bool {
        matches!(self, Self::Create | Self::InsertAndCreate)
    }
}

/// What was measured, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Until the answer, in ascending order.
    pub(crate) answers: Vec<f64>,
    /// Until a watch saw the `CodexTask`, in ascending order; empty where there is none.
    pub(crate) sightings: Vec<f64>,
    /// Answers a second.
    pub(crate) rate: f64,
}

/// What the clients need.
pub(crate) struct Crew {
    url: String,
    tokens: Vec<String>,
    users: Vec<Uuid>,
    pool: PgPool,
    tasks: Api<CodexTask>,
}

impl Crew {
    /// Makes as many users as there are clients.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub(crate) async fn gather(stage: &Stage, clients: usize) -> Result<Arc<Self>> {
        let tokens = stage.users(clients).await?;
        let users = sqlx::query_scalar("SELECT id FROM users WHERE role = 'user' ORDER BY id")
            .fetch_all(&stage.pool)
            .await?;
        Ok(Arc::new(Self {
            url: format!("{}/api/tasks", stage.url),
            tokens,
            users,
            pool: stage.pool.clone(),
            tasks: Api::namespaced(stage.kube.clone(), BARE),
        }))
    }

    /// Lets `clients` work for a while, each with the next as soon as it has the answer.
    ///
    /// # Errors
    /// When anything is refused: that is no result.
    pub(crate) async fn measure(
        self: &Arc<Self>,
        kind: Kind,
        clients: usize,
        time: Duration,
        sightings: &Sightings,
    ) -> Result<Sample> {
        let begun = Instant::now();
        let mut running = JoinSet::new();
        for client in 0..clients {
            let crew = Arc::clone(self);
            running.spawn(async move { crew.work(kind, client, begun + time).await });
        }
        let (mut answers, mut made) = (Vec::new(), Vec::new());
        while let Some(client) = running.join_next().await {
            for act in client?? {
                answers.push(act.took.as_secs_f64() * 1000.0);
                made.extend(act.task.map(|name| (name, act.begun)));
            }
        }
        let rate = answers.len() as f64 / begun.elapsed().as_secs_f64();
        let seen = sightings.after(&made).await?;
        let mut seen: Vec<f64> = seen
            .iter()
            .map(|wait| wait.as_secs_f64() * 1000.0)
            .collect();
        answers.sort_by(f64::total_cmp);
        seen.sort_by(f64::total_cmp);
        Ok(Sample {
            answers,
            sightings: seen,
            rate,
        })
    }

    async fn work(&self, kind: Kind, client: usize, end: Instant) -> Result<Vec<Act>> {
        // A connection of its own, as clients have.
        let http = reqwest::Client::builder().no_proxy().build()?;
        let user = if kind == Kind::PostAsOne { 0 } else { client };
        let (token, user) = (&self.tokens[user], self.users[user]);
        let mut acts = Vec::new();
        // The first one connects.
        let mut is_first = true;
        // However slow everything is, a client has a second answer.
        while acts.is_empty() || Instant::now() < end {
            let prompt = format!(
                "Explain what {} does, and write tests for it.",
                Uuid::now_v7()
            );
            let begun = Instant::now();
            let task = match kind {
                Kind::Post | Kind::PostAsOne => Some(self.post(&http, token, &prompt).await?),
                _ => {
                    let id = Uuid::now_v7();
                    if kind.inserts() {
                        self.insert(id, user, &prompt).await?;
                    }
                    if kind.creates() {
                        self.create(id, &prompt).await?;
                    }
                    kind.creates().then(|| id.to_string())
                }
            };
            if !std::mem::take(&mut is_first) {
                acts.push(Act {
                    begun,
                    took: begun.elapsed(),
                    task,
                });
            }
        }
        Ok(acts)
    }

    async fn post(&self, http: &reqwest::Client, token: &str, prompt: &str) -> Result<String> {
        let response = http
            .post(&self.url)
            .bearer_auth(token)
            .json(&json!({ "prompt": prompt, "cwd": CWD }))
            .send()
            .await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        ensure!(status == 201, "{status} {answer}");
        let id = answer["task_id"].as_str().context("an id")?;
        Ok(id.to_owned())
    }

    /// The row that the gateway writes, without anything around it.
    async fn insert(&self, id: Uuid, user: Uuid, prompt: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO bare_tasks (id, name, user_id, owner, prompt, cwd, repository, env, outbox_at, traceparent) \
             VALUES ($1, $2, $3, 'user@localhost', $4, $5, 'app', '{}', now(), $6)",
        )
        .bind(id)
        .bind(id.to_string())
        .bind(user)
        .bind(prompt)
        .bind(CWD)
        .bind(TRACEPARENT)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The resource that the gateway creates, without anything around it.
    async fn create(&self, id: Uuid, prompt: &str) -> Result<()> {
        let spec = CodexTaskSpec {
            prompt: prompt.to_owned(),
            cwd: Some(CWD.to_owned()),
            user: Some("user@localhost".to_owned()),
            ..CodexTaskSpec::default()
        };
        let mut task = CodexTask::new(&id.to_string(), spec);
        task.metadata.finalizers = Some(vec![meta::GATEWAY_FINALIZER.to_owned()]);
        task.metadata.labels = Some([(meta::TASK_LABEL.to_owned(), id.to_string())].into());
        task.metadata.annotations = Some(
            [(
                meta::TRACEPARENT_ANNOTATION.to_owned(),
                TRACEPARENT.to_owned(),
            )]
            .into(),
        );
        self.tasks.create(&PostParams::default(), &task).await?;
        Ok(())
    }
}

struct Act {
    begun: Instant,
    took: Duration,
    /// The name of the `CodexTask` that comes of it.
    task: Option<String>,
}
