//! The same requests to Kubernetes and to the local cluster, and what they answered, field by field. Every difference is a bug of the local cluster.

pub(crate) mod kubectl;
mod normal;
pub(crate) mod pods;
pub(crate) mod reads;
pub(crate) mod status;
pub(crate) mod tasks;
pub(crate) mod writes;

use anyhow::{Context as _, Result, bail, ensure};
use http::Method;
use serde_json::{Value, json};

use self::normal::{normal, normal_error, normal_text};
use crate::world::{Side, World};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
const PODS: &str = "/api/v1/namespaces/{ns}/pods";

/// A scenario on one of the servers, and what that answered.
pub(crate) struct Run<'a> {
    side: &'a Side,
    namespace: &'a str,
    steps: Vec<(String, Value)>,
    /// Where Kubernetes itself did something else than the scenario says.
    surprises: Vec<String>,
}

/// Plays a scenario on both servers, in a namespace of the same name, and compares.
fn same(
    world: &World,
    what: &str,
    scenario: impl AsyncFn(&mut Run<'_>) -> Result<()>,
) -> Result<()> {
    let namespace = world.fresh_name(what);
    let transcripts = world.block_on(async {
        let mut transcripts = Vec::new();
        for side in [&world.real, &world.local] {
            side.create_namespace(&namespace, json!({})).await?;
            let mut run = Run {
                side,
                namespace: &namespace,
                steps: Vec::new(),
                surprises: Vec::new(),
            };
            let played = scenario(&mut run).await;
            let surprises = run.surprises.join("\n");
            played.with_context(|| format!("{surprises}\non {}", side.name))?;
            // What the local cluster does instead is a difference like others.
            ensure!(surprises.is_empty() || !side.is_real(), "{surprises}");
            transcripts.push(run.steps);
            let path = format!("/api/v1/namespaces/{namespace}");
            side.send(Method::DELETE, &path, &[], String::new()).await?;
        }
        anyhow::Ok(transcripts)
    })?;
    let [real, local] = &transcripts[..] else {
        bail!("there are two sides");
    };
    ensure!(!real.is_empty(), "a scenario without steps shows nothing");
    let mut differences = String::new();
    for ((step, real), (_, local)) in real.iter().zip(local) {
        if real != local {
            differences.push_str(&format!("--- {step}\n{}", normal::difference(real, local)));
        }
    }
    ensure!(real.len() == local.len(), "the servers had different steps");
    if !differences.is_empty() {
        bail!(
            "the local cluster differs from Kubernetes (-: Kubernetes, +: local cluster)\n{differences}"
        );
    }
    Ok(())
}

impl Run<'_> {
    /// Sends a request, expects the code, and keeps the answer for the comparison. `{ns}` in the path is the namespace.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
        code: u16,
    ) -> Result<Value> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let step = format!("{method} {path} {headers:?} {body}");
        let answer = self
            .side
            .send(method, &self.path(path), headers, body)
            .await?;
        let value = serde_json::from_str(&answer.text)
            .unwrap_or_else(|_| Value::String(answer.text.clone()));
        if answer.code != code {
            self.surprises.push(format!(
                "{step}\nanswered {} instead of {code}: {}",
                answer.code, answer.text
            ));
        }
        self.keep(
            step,
            json!({"code": answer.code, "type": answer.kind, "body": normal(&value)}),
        );
        Ok(value)
    }

    async fn get(&mut self, path: &str, code: u16) -> Result<Value> {
        self.send(Method::GET, path, &[], &Value::Null, code).await
    }

    async fn table(&mut self, path: &str) -> Result<Value> {
        self.send(Method::GET, path, &[("accept", TABLE)], &Value::Null, 200)
            .await
    }

    async fn post(&mut self, path: &str, body: &Value, code: u16) -> Result<Value> {
        self.send(Method::POST, path, &[], body, code).await
    }

    async fn put(&mut self, path: &str, body: &Value, code: u16) -> Result<Value> {
        self.send(Method::PUT, path, &[], body, code).await
    }

    async fn patch(&mut self, kind: &str, path: &str, body: &Value, code: u16) -> Result<Value> {
        self.send(Method::PATCH, path, &[("content-type", kind)], body, code)
            .await
    }

    async fn delete(&mut self, path: &str, body: &Value, code: u16) -> Result<Value> {
        self.send(Method::DELETE, path, &[], body, code).await
    }

    /// Watches from a version on; answers with that many events, and keeps them.
    async fn watch(&mut self, path: &str, events: usize) -> Result<Vec<Value>> {
        use futures::{AsyncBufReadExt as _, StreamExt as _};
        let request = http::Request::get(self.path(path)).body(Vec::new())?;
        let stream = self.side.client.request_stream(request).await?;
        let lines = stream.lines().take(events).collect::<Vec<_>>();
        let lines = tokio::time::timeout(codex_e2e::DEADLINE, lines)
            .await
            .with_context(|| format!("{path} brings no {events} events"))?;
        let mut seen = Vec::new();
        for line in lines {
            seen.push(serde_json::from_str::<Value>(&line?)?);
        }
        ensure!(seen.len() == events, "{path} ended early: {seen:#?}");
        self.keep(format!("watch {path}"), normal(&json!(seen)));
        Ok(seen)
    }

    /// Runs kubectl in the namespace, expects that it succeeds or fails, and keeps what it said.
    fn kubectl(&mut self, arguments: &[&str], input: &str, success: bool) -> Result<String> {
        let mut all = vec!["--namespace", self.namespace];
        all.extend(arguments);
        let output = self.side.kubectl_output(&all, input)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() != success {
            self.surprises.push(format!(
                "kubectl {arguments:?} ended with {}: {said}{complained}",
                output.status
            ));
        }
        self.keep(
            format!("kubectl {arguments:?}"),
            json!({
                "code": output.status.code(),
                "stdout": normal_text(&said),
                "stderr": normal_error(&complained),
            }),
        );
        Ok(said)
    }

    fn keep(&mut self, step: String, answer: Value) {
        self.steps.push((step, answer));
    }

    fn path(&self, path: &str) -> String {
        path.replace("{ns}", self.namespace)
    }
}

/// The version of an object or list, for a watch.
fn version(object: &Value) -> Result<&str> {
    object["metadata"]["resourceVersion"]
        .as_str()
        .with_context(|| format!("no resource version: {object}"))
}

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "x"}},
        "spec": {
            "automountServiceAccountToken": false,
            // What admission plugins would fill in, which the local cluster does not have.
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "containers": [{"name": "main", "image": "codex-runner:local"}],
        },
    })
}
