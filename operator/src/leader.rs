//! One operator works at a time: the holder of a Lease. The others stand by.
//!
//! The rules are those of client-go. A candidate notes when, by its own clock, it saw the record change, and takes over once the
//! record has stayed the same for as long as it says; clocks of two machines are never compared. Every write carries the version
//! that was read, so of two candidates one gets a conflict. The holder gives up well before that, also when the API is away: it
//! counts from before it asked, the candidates from after they saw the answer.
//!
//! No lease can stop an operator that was frozen between a look at its clock and a write. Such a write does no harm, because all writes
//! are made so that they may come twice: they carry a version, a fixed name, or the numbers of frames.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How long the Lease may be released for at the end; without that the next operator waits until it runs out.
const RELEASE: Duration = Duration::from_secs(2);

/// Which Lease, and for whom.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// The name of the Lease.
    pub name: String,
    /// Who we are, unlike anybody else. A process that starts again under the same name goes on at once.
    pub identity: String,
    /// For how long nobody else takes over after the last sign of life.
    pub duration: Duration,
}

/// Whether this operator may work. Clones speak of the same Lease.
#[derive(Clone, Debug)]
pub struct Leadership(Arc<Mutex<Hold>>);

#[derive(Clone, Copy, Debug)]
enum Hold {
    /// There is nobody else.
    Undisputed,
    /// Until then nobody else takes over.
    Until(Instant),
    /// Somebody else may be at work.
    No,
}

impl Leadership {
    /// Of an operator that stands by.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Hold::No)))
    }

    /// Of an operator that is the only one.
    #[must_use]
    pub fn undisputed() -> Self {
        Self(Arc::new(Mutex::new(Hold::Undisputed)))
    }

    /// Whether this operator may work.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// For how long it may work from now on; zero when it may not.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Hold::Undisputed => Duration::MAX,
            Hold::Until(time) => time.saturating_duration_since(now()),
            Hold::No => Duration::ZERO,
        }
    }

    fn set(&self, hold: Hold) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }
}

/// Takes part in the election.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    namespace: String,
    options: LeaseOptions,
    leadership: Leadership,
    /// The version of the record that was seen last, and when it was seen first.
    seen: Option<(String, Instant)>,
    /// Whose turn was told last.
    told: Option<String>,
    /// The record as this operator wrote it last.
    held: Option<Lease>,
}

/// What came of one try.
#[derive(Debug, PartialEq, Eq)]
enum Try {
    /// The Lease is ours.
    Held,
    /// It is somebody else's, or somebody else was faster.
    Theirs(String),
}

impl Election {
    /// A candidate for a Lease in `namespace`, who tells `leadership` how it goes.
    #[must_use]
    pub fn new(
        client: Client,
        namespace: &str,
        options: LeaseOptions,
        leadership: Leadership,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.to_owned(),
            options,
            leadership,
            seen: None,
            told: None,
            held: None,
        }
    }

    /// Tries once; answers whether this operator may work now.
    pub async fn try_once(&mut self) -> bool {
        let tried = tokio::time::timeout(self.renewal(), self.try_to_take()).await;
        match tried {
            Ok(Ok(Try::Held)) => {
                tracing::info!(lease = %self.options.name, holder = %self.options.identity, "this operator works now");
                true
            }
            Ok(Ok(Try::Theirs(holder))) => {
                if self.told.as_ref() != Some(&holder) {
                    tracing::info!(lease = %self.options.name, %holder, "another operator works; this one stands by");
                    self.told = Some(holder);
                }
                false
            }
            Ok(Err(error)) => {
                tracing::warn!(lease = %self.options.name, %error, "the lease cannot be taken; trying again");
                false
            }
            Err(_) => {
                tracing::warn!(lease = %self.options.name, "the Kubernetes API did not answer about the lease in time; trying again");
                false
            }
        }
    }

    /// Waits until this operator may work.
    pub async fn acquire(&mut self) {
        while !self.try_once().await {
            tokio::time::sleep(self.pause()).await;
        }
    }

    /// Renews the Lease for as long as that succeeds. Returns when this operator must not work any more.
    pub async fn keep(mut self) {
        loop {
            // What is left is counted from the last renewal, so a try that hangs ends in time.
            let left = self.leadership.remaining();
            let pause = self.pause().min(left);
            let tried = tokio::time::timeout(left, async {
                tokio::time::sleep(pause).await;
                self.renew().await
            })
            .await;
            match tried {
                Ok(Ok(Try::Held)) => {}
                Ok(Ok(Try::Theirs(holder))) => {
                    tracing::error!(lease = %self.options.name, %holder, "the lease was taken away; this operator stops");
                    break;
                }
                Ok(Err(error)) => {
                    tracing::warn!(lease = %self.options.name, %error, "the lease could not be renewed; trying again");
                }
                Err(_) => {
                    tracing::error!(lease = %self.options.name, "the lease could not be renewed in time; this operator stops");
                    break;
                }
            }
        }
        self.leadership.set(Hold::No);
    }

    /// As [`keep`](Self::keep), on a thread with a runtime and connections of its own, and until the future is dropped: what keeps the
    /// workers busy on a machine that is short of processors must not cost the Lease. An operator that hangs for good keeps it
    /// too; the probe of its life, which the other runtime serves, is what ends that one.
    ///
    /// # Errors
    /// [`Error`] when the thread, its runtime or its client cannot be made.
    pub async fn keep_apart<C>(mut self, client: C) -> Result<(), Error>
    where
        C: FnOnce() -> Result<Client, Error> + Send + 'static,
    {
        let namespace = self.namespace.clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let _end_of_the_thread = stop.drop_guard();
        let (sender, ended) = oneshot::channel();
        let keep = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Error::LeaseThread)?;
            runtime.block_on(async move {
                self.api = Api::namespaced(client()?, &namespace);
                stopped.run_until_cancelled_owned(self.keep()).await;
                Ok(())
            })
        };
        std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(move || {
                // Nobody listens any more when the operator ends.
                let _ = sender.send(keep());
            })
            .map_err(Error::LeaseThread)?;
        // A panic has been printed, and ends the hold like everything else does.
        ended.await.unwrap_or(Ok(()))
    }

    async fn try_to_take(&mut self) -> Result<Try, kube::Error> {
        let asked_at = now();
        let Some(lease) = self.api.get_opt(&self.options.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.options.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.record(None)),
            };
            let created = self.api.create(&PostParams::default(), &lease).await;
            return self.settle(created, asked_at);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let is_free = holder.is_empty() || holder == self.options.identity;
        if !is_free && !self.has_run_out(&lease, &spec) {
            return Ok(Try::Theirs(holder));
        }
        self.write(lease, asked_at).await
    }

    async fn renew(&mut self) -> Result<Try, kube::Error> {
        let asked_at = now();
        // Mostly nobody else has written, and then one request does.
        if let Some(lease) = self.held.take() {
            match self.write(lease, asked_at).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                result => return result,
            }
        }
        let lease = self.api.get_opt(&self.options.name).await?;
        let holder = lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.holder_identity.clone())
            .unwrap_or_default();
        match lease {
            Some(lease) if holder == self.options.identity => self.write(lease, asked_at).await,
            // Nobody's is not ours either: somebody else may have had it in between.
            _ => Ok(Try::Theirs(holder)),
        }
    }

    /// Whether the record has stayed the same for as long as it says, by our own clock.
    fn has_run_out(&mut self, lease: &Lease, spec: &LeaseSpec) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let now = now();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let said = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs);
        now.duration_since(since) >= said.unwrap_or(self.options.duration)
    }

    async fn write(&mut self, mut lease: Lease, asked_at: Instant) -> Result<Try, kube::Error> {
        lease.spec = Some(self.record(lease.spec.as_ref()));
        // The version that was read goes along, so this fails when anybody else has written since.
        let written = self
            .api
            .replace(&self.options.name, &PostParams::default(), &lease)
            .await;
        self.settle(written, asked_at)
    }

    fn settle(
        &mut self,
        written: Result<Lease, kube::Error>,
        asked_at: Instant,
    ) -> Result<Try, kube::Error> {
        match written {
            Ok(lease) => {
                self.held = Some(lease);
                self.leadership.set(Hold::Until(asked_at + self.renewal()));
                Ok(Try::Held)
            }
            // While standing by that is all; while working the next try tells whose it is, in time.
            Err(kube::Error::Api(status)) if status.is_conflict() && !self.leadership.holds() => {
                Ok(Try::Theirs("somebody who was faster".into()))
            }
            Err(error) => Err(error),
        }
    }

    /// The record with us in it.
    fn record(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let before = before.cloned().unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.options.identity);
        LeaseSpec {
            holder_identity: Some(self.options.identity.clone()),
            acquire_time: if is_ours {
                before.acquire_time
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_duration_seconds: i32::try_from(self.options.duration.as_secs()).ok(),
            lease_transitions: Some(
                before.lease_transitions.unwrap_or_default() + i32::from(!is_ours),
            ),
            ..before
        }
    }

    /// How long a renewal is good for: two thirds of what the others wait.
    fn renewal(&self) -> Duration {
        self.options.duration * 2 / 3
    }

    /// Between two tries, a little different every time so that candidates do not keep step.
    fn pause(&self) -> Duration {
        (self.options.duration / 8).mul_f64(rand::random_range(0.8..1.2))
    }
}

/// Gives the Lease back, so that the next operator need not wait until it runs out. To be called when nothing works any more.
pub async fn release(client: Client, namespace: &str, options: &LeaseOptions) {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let released = tokio::time::timeout(RELEASE, async {
        let Some(mut lease) = api.get_opt(&options.name).await? else {
            return Ok(());
        };
        let Some(spec) = &mut lease.spec else {
            return Ok(());
        };
        if spec.holder_identity.as_ref() != Some(&options.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        api.replace(&options.name, &PostParams::default(), &lease)
            .await
            .map(drop)
    });
    match released.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(lease = %options.name, %error, "the lease could not be given back; the next operator waits until it runs out");
        }
        Err(_) => {
            tracing::warn!(lease = %options.name, "the lease could not be given back in time; the next operator waits until it runs out");
        }
    }
}

#[cfg(not(test))]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
use tests::now;

#[cfg(test)]
mod tests;
