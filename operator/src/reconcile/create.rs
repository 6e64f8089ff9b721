//! The step that creates the Secret and the Pod of a task.

use codex_crds::{meta, reasons};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};

use super::apply::{ARRIVAL, refused};
use super::{Flow, Pass, pods};
use crate::checkpoint::Checkpoint;
use crate::domain::pod::later;
use crate::domain::step::Situation;
use crate::error::Error;
use crate::keys::Grant;
use crate::observe;
use crate::plan::{self, Checked};

/// How long a token outlives the latest end of its task, for clocks that differ.
const TOKEN_SLACK: SignedDuration = SignedDuration::from_secs(120);

impl Pass {
    pub(super) async fn create_pod(&mut self, situation: &Situation) -> Result<Flow, Error> {
        // The cache has no prompts, and a cancel that came a moment ago must count.
        let Some(task) = self.context.task_api.get_opt(&self.name).await? else {
            return Ok(Flow::Wait(ARRIVAL));
        };
        if task.metadata.uid.as_deref() != Some(&self.uid) {
            return Ok(Flow::Wait(ARRIVAL));
        }
        if observe::intent(&task) != situation.intent {
            self.learn(task);
            return Ok(Flow::Again);
        }
        let mut repositories = self.context.repositories.state();
        if plan::check(&task, &repositories, &self.context.config).is_err() {
            repositories = self.context.fresh_repositories().await?;
        }
        let (secret, pod) = match plan::check(&task, &repositories, &self.context.config) {
            Ok(checked) => {
                let user_namespace = self.context.preflight.user_namespace();
                let pod = plan::pod(&checked, &self.context.config, user_namespace);
                (self.secret(&checked, SignedDuration::ZERO)?, pod)
            }
            Err(refusal) => return self.conclude(refused(&refusal)).await,
        };
        self.apply_secret(&secret).await?;
        self.reached(Checkpoint::SecretApplied).await;
        match self
            .context
            .pod_api
            .create(&PostParams::default(), &pod)
            .await
        {
            Ok(_) => {
                self.reached(Checkpoint::PodCreated).await;
                tracing::info!(task.id = %self.id, "the Pod of the task is created");
                self.expect_pod();
                Ok(Flow::Wait(ARRIVAL))
            }
            Err(kube::Error::Api(refusal)) if refusal.is_already_exists() => {
                let pod = self
                    .context
                    .pod_api
                    .get_opt(&meta::pod_name(&self.id))
                    .await?;
                if pod.is_some_and(|pod| {
                    pods::is_owned_by(&pod, &self.uid) && pod.metadata.deletion_timestamp.is_none()
                }) {
                    self.expect_pod();
                    return Ok(Flow::Wait(ARRIVAL));
                }
                Ok(self.try_later("a Pod of the same name is still there", Refused::ForNow))
            }
            Err(kube::Error::Api(refusal)) if refusal.code == 422 => {
                Ok(self.try_later(&refusal.message, Refused::ForGood))
            }
            Err(kube::Error::Api(refusal)) if refusal.code == 403 => {
                let kind = if refusal.message.contains("violates PodSecurity") {
                    Refused::ForGood
                } else {
                    Refused::ForNow
                };
                Ok(self.try_later(&refusal.message, kind))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The Secret of a task whose Pod starts within the time for that, after it was held back for at most `held`.
    pub(super) fn secret(
        &self,
        checked: &Checked<'_>,
        held: SignedDuration,
    ) -> Result<Secret, Error> {
        let now = Timestamp::now();
        let limit = checked
            .task
            .spec
            .timeout_or(checked.repository.spec.timeout_seconds);
        let patience = self.context.config.patience();
        let end = [held, patience.pending, patience.grace, TOKEN_SLACK]
            .into_iter()
            .fold(later(now, SignedDuration::from_secs(limit)), later);
        let traceparent = self.trace().run().to_string();
        let grant = Grant {
            task: &self.id,
            resume: checked.task.spec.resume_from.as_deref(),
            traceparent: Some(&traceparent),
        };
        let token = self.context.signer.sign(&grant, now, end)?;
        let nonce = self.context.nonces.nonce(&self.uid);
        Ok(plan::secret(checked, &token, &nonce))
    }

    pub(super) async fn apply_secret(&self, secret: &Secret) -> Result<(), Error> {
        let params = PatchParams::apply(meta::OPERATOR_NAME).force();
        let patch = Patch::Apply(ApplySecret(secret));
        self.context
            .secret_api
            .patch_metadata(&meta::pod_name(&self.id), &params, &patch)
            .await?;
        Ok(())
    }

    /// The Pod exists; the cache shows it in a moment.
    fn expect_pod(&self) {
        let look_again = later(Timestamp::now(), SignedDuration::from_secs(5));
        self.memory(|memory| {
            memory.last_error = None;
            memory.not_before = Some(look_again);
        });
    }

    fn try_later(&self, error: &str, refused: Refused) -> Flow {
        tracing::warn!(task.id = %self.id, error, "the Pod of the task was refused");
        self.context
            .events
            .warning(&self.task, reasons::POD_REJECTED, error);
        self.memory(|memory| {
            memory.last_error = Some(error.to_owned());
            memory.is_refused = refused == Refused::ForGood;
            memory.back_off();
        });
        Flow::Again
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refused {
    ForNow,
    ForGood,
}

/// A Secret as the body of an apply request. `kube` wants to print what it sends when it fails; this never prints its content.
struct ApplySecret<'a>(&'a Secret);

impl serde::Serialize for ApplySecret<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl std::fmt::Debug for ApplySecret<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
