//! A node that tests play: it keeps the logs of containers, and writes the status of Pods when told to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use codex_tasklog::{EndReport, FrameEncoder, Stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{NAMESPACE, eventually};

/// The node.
#[derive(Clone, Default)]
pub struct FakeNode {
    logs: Arc<Mutex<HashMap<String, Arc<Log>>>>,
    client: Arc<Mutex<Option<Client>>>,
}

/// The log of one container.
pub struct Log {
    state: watch::Sender<LogState>,
}

#[derive(Clone, Default)]
struct LogState {
    /// When each line was written, and the line.
    lines: Vec<(Timestamp, Bytes)>,
    /// How many lines at the start cannot be read any more.
    rotated: usize,
    has_ended: bool,
    /// Every connection that was opened before the last cut ends.
    cuts: usize,
    /// Every connection that was opened before the last stall hears nothing any more.
    stalls: usize,
    /// So many connections end in the middle of what they send next.
    tears: usize,
    connections: Vec<Option<Timestamp>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogQuery {
    #[serde(default)]
    follow: bool,
    since_time: Option<Timestamp>,
}

impl FakeNode {
    /// The endpoint that the API server asks for logs.
    pub fn kubelet(&self) -> Router {
        Router::new()
            .route(
                "/containerLogs/{namespace}/{pod}/{container}",
                get(read_log),
            )
            .with_state(self.clone())
    }

    /// Becomes a node of the cluster that is ready.
    pub async fn join(&self, client: Client) {
        let nodes: Api<Node> = Api::all(client.clone());
        let node = serde_json::from_value(json!({"metadata": {"name": "local"}})).unwrap();
        nodes.create(&PostParams::default(), &node).await.unwrap();
        let status = json!({"status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "allocatable": {"pods": "1000"}, "capacity": {"pods": "1000"},
        }});
        nodes
            .patch_status("local", &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
        *self.client.lock().unwrap() = Some(client);
    }

    /// Stops taking Pods.
    pub async fn cordon(&self) {
        let nodes: Api<Node> = Api::all(self.client());
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        nodes
            .patch_status("local", &PatchParams::default(), &Patch::Merge(status))
            .await
            .unwrap();
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), NAMESPACE)
    }

    /// Waits for a Pod that fulfils `wanted`.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let pods = self.pods();
        eventually(async || pods.get_opt(name).await.unwrap().filter(&wanted))
            .await
            .unwrap_or_else(|| panic!("the Pod {name} never came to: {what}"))
    }

    pub async fn until_bound(&self, name: &str) -> Pod {
        self.until(name, "bound", |pod| {
            pod.spec
                .as_ref()
                .is_some_and(|spec| spec.node_name.is_some())
        })
        .await
    }

    /// Waits for a Pod and starts its container.
    pub async fn start(&self, name: &str, nonce: &str) -> Writer {
        let log = Arc::new(Log {
            state: watch::Sender::new(LogState::default()),
        });
        self.until_bound(name).await;
        self.logs
            .lock()
            .unwrap()
            .insert(name.to_owned(), Arc::clone(&log));
        let now = Timestamp::now().to_string();
        self.status(
            name,
            json!({
                "phase": "Running",
                "startTime": now,
                "containerStatuses": [container(&json!({"running": {"startedAt": now}}))],
            }),
        )
        .await;
        Writer {
            node: self.clone(),
            name: name.to_owned(),
            log,
            encoder: Some(FrameEncoder::new(nonce).with_copy()),
        }
    }

    /// Writes the status of a Pod.
    pub async fn status(&self, name: &str, status: Value) {
        let patch = json!({"status": status});
        self.pods()
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Waits until a Pod is being deleted, or gone, and says that it does not run any more.
    pub async fn until_deleted(&self, name: &str) {
        let pods = self.pods();
        let deleted = eventually(async || match pods.get_opt(name).await.unwrap() {
            Some(pod) if pod.metadata.deletion_timestamp.is_none() => None,
            _ => Some(()),
        })
        .await;
        assert!(deleted.is_some(), "nobody deletes the Pod {name}");
        self.confirm_deletion(name).await;
    }

    /// Says that a deleted Pod does not run any more.
    pub async fn confirm_deletion(&self, name: &str) {
        let _ = self
            .pods()
            .delete(name, &DeleteParams::default().grace_period(0))
            .await;
    }

    /// A node whose containers' logs are gone.
    pub fn lose_log(&self, name: &str) {
        self.logs.lock().unwrap().remove(name);
    }

    fn client(&self) -> Client {
        self.client.lock().unwrap().clone().unwrap()
    }
}

/// What a container status looks like, around its state.
pub fn container(state: &Value) -> Value {
    json!({
        "name": "codex", "ready": false, "restartCount": 0, "image": "codex-runner:local",
        "imageID": "", "state": state,
    })
}

/// The runner in a container: writes frames, and ends.
pub struct Writer {
    node: FakeNode,
    name: String,
    log: Arc<Log>,
    encoder: Option<FrameEncoder>,
}

impl Writer {
    pub fn line(&mut self, text: &str) {
        let mut out = Vec::new();
        let encoder = self.encoder.as_mut().unwrap();
        encoder.line(Stream::Stdout, text, &now(), &mut out);
        self.raw(&out);
    }

    pub fn event(&mut self, event: &Value) {
        let mut out = Vec::new();
        let encoder = self.encoder.as_mut().unwrap();
        encoder.event(&event.to_string(), &now(), &mut out);
        self.raw(&out);
    }

    pub fn beat(&self) {
        let mut out = Vec::new();
        self.encoder.as_ref().unwrap().beat(&now(), &mut out);
        self.raw(&out);
    }

    pub fn end(&mut self, report: EndReport) {
        let mut out = Vec::new();
        let encoder = self.encoder.take().unwrap();
        encoder.end(report, &now(), &mut out);
        self.raw(&out);
    }

    pub fn exit(&mut self, code: i32) {
        self.end(EndReport {
            exit_code: Some(code),
            ..EndReport::default()
        });
    }

    /// What the runner itself keeps of its frames: all since the last call, as lines of the archive.
    pub fn take_record(&mut self) -> Vec<u8> {
        self.encoder.as_mut().unwrap().take_copy()
    }

    /// Numbers a line without writing it, as if it had been lost.
    pub fn lose(&mut self, text: &str) {
        let mut out = Vec::new();
        let encoder = self.encoder.as_mut().unwrap();
        encoder.line(Stream::Stdout, text, &now(), &mut out);
    }

    /// Writes bytes into the log as they are, line by line.
    pub fn raw(&self, bytes: &[u8]) {
        self.log.state.send_modify(|state| {
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                state
                    .lines
                    .push((Timestamp::now(), Bytes::copy_from_slice(line)));
            }
        });
    }

    /// Ends all connections that are open.
    pub fn cut(&self) {
        self.log.state.send_modify(|state| state.cuts += 1);
    }

    /// Lets all connections that are open say nothing any more.
    pub fn stall(&self) {
        self.log.state.send_modify(|state| state.stalls += 1);
    }

    /// Ends the next connection that sends something in the middle of it.
    pub fn tear(&self) {
        self.log.state.send_modify(|state| state.tears += 1);
    }

    /// How many lines there are, of which so many can be read.
    pub fn lines(&self) -> usize {
        self.log.state.borrow().lines.len()
    }

    /// Makes the first lines unreadable.
    pub fn rotate(&self, lines: usize) {
        self.log.state.send_modify(|state| state.rotated = lines);
    }

    /// With which start times connections were opened.
    pub fn connections(&self) -> Vec<Option<Timestamp>> {
        self.log.state.borrow().connections.clone()
    }

    pub async fn until_connected(&self, times: usize) {
        let mut state = self.log.state.subscribe();
        tokio::time::timeout(
            super::PATIENCE,
            state.wait_for(|state| state.connections.len() >= times),
        )
        .await
        .expect("nobody reads the log")
        .unwrap();
    }

    /// The process ends: nothing more is written.
    pub fn close(&self) {
        self.log.state.send_modify(|state| state.has_ended = true);
    }

    /// The container ends, and the node says so.
    pub async fn terminate(&self, code: i32) {
        let reason = if code == 0 { "Completed" } else { "Error" };
        self.terminate_as(code, reason, json!({})).await;
    }

    pub async fn terminate_as(&self, code: i32, reason: &str, more: Value) {
        self.close();
        let now = now();
        let mut status = json!({
            "phase": if code == 0 { "Succeeded" } else { "Failed" },
            "containerStatuses": [container(&json!({"terminated": {
                "exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now,
            }}))],
        });
        for (key, value) in more.as_object().unwrap() {
            status[key] = value.clone();
        }
        self.node.status(&self.name, status).await;
    }
}

fn now() -> String {
    Timestamp::now().to_string()
}

async fn read_log(
    State(node): State<FakeNode>,
    Path((_, pod, container)): Path<(String, String, String)>,
    Query(query): Query<LogQuery>,
) -> Response {
    assert_eq!(container, "codex");
    assert!(query.follow);
    let Some(log) = node.logs.lock().unwrap().get(&pod).cloned() else {
        return (StatusCode::BAD_REQUEST, "container is waiting to start").into_response();
    };
    let (mut cuts, mut stalls) = (0, 0);
    log.state.send_modify(|state| {
        state.connections.push(query.since_time);
        (cuts, stalls) = (state.cuts, state.stalls);
    });
    let changes = log.state.subscribe();
    let reader = (changes, 0_usize, log, false);
    let stream = futures::stream::unfold(
        reader,
        move |(mut changes, mut at, log, is_torn)| async move {
            if is_torn {
                return None;
            }
            loop {
                if changes.borrow().stalls != stalls {
                    std::future::pending::<()>().await;
                }
                let has_ended =
                    {
                        let state = changes.borrow_and_update();
                        if state.cuts != cuts {
                            return None;
                        }
                        at = at.max(state.rotated);
                        let next = state.lines[at.min(state.lines.len())..].iter().position(
                            |(written, _)| query.since_time.is_none_or(|since| *written >= since),
                        );
                        if let Some(skipped) = next {
                            // As much as there is goes out at once, as from a file.
                            let from = at + skipped;
                            let to = state.lines.len().min(from + 256);
                            let mut chunk: Vec<u8> = state.lines[from..to]
                                .iter()
                                .flat_map(|(_, line)| line.iter().copied())
                                .collect();
                            at = to;
                            let is_torn = state.tears > 0;
                            drop(state);
                            if is_torn {
                                log.state.send_modify(|state| state.tears -= 1);
                                chunk.truncate(chunk.len() / 2);
                            }
                            return Some((
                                Ok::<_, std::io::Error>(Bytes::from(chunk)),
                                (changes, at, log, is_torn),
                            ));
                        }
                        state.has_ended
                    };
                if has_ended || changes.changed().await.is_err() {
                    return None;
                }
            }
        },
    );
    Response::new(Body::from_stream(stream))
}
