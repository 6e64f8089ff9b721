//! Subresources of Pods: log, binding, eviction.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Api;
use super::dispatch::Call;
use super::error::ApiError;
use super::object::{list, name, text};
use super::request::DeleteOptions;
use super::resources::Resource;
use super::response;
use super::store::Key;
use super::strategy;
use super::write::{Part, Target};

pub(crate) async fn subresource(
    api: &Api,
    resource: &Arc<Resource>,
    key: &Key,
    sub: &str,
    verb: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    match (sub, verb) {
        ("log", "get") => log(api, resource, key, call).await,
        ("binding", "create") => binding(api, resource, key, call).await,
        ("eviction", "create") => eviction(api, resource, key, call).await,
        ("log" | "binding" | "eviction", _) => Err(ApiError::MethodNotAllowed),
        _ => Err(ApiError::NoSuchPath),
    }
}

/// Hands the request to the node, whose answer is streamed through.
async fn log(
    api: &Api,
    resource: &Resource,
    key: &Key,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    let pod = api.get(resource, key)?;
    let pod = &pod.value;
    let container = choose_container(pod, call.query.get("container"))?;
    if text(pod, "/spec/nodeName").is_empty() {
        // Upstream: a Pod that is nowhere has an empty log.
        return Ok(Response::new(Body::empty()));
    }
    let Some(kubelet) = api.kubelet.get() else {
        return Err(ApiError::Unavailable(
            "no node is attached to this API server, so there are no container logs".into(),
        ));
    };
    let path = format!("/containerLogs/{}/{}/{container}", key.namespace, key.name);
    let uri = if call.raw_query.is_empty() {
        path
    } else {
        format!("{path}?{}", call.raw_query)
    };
    let request = Request::get(uri)
        .body(Body::empty())
        .map_err(|e| ApiError::BadRequest(e.to_string()))?;
    let answer = match kubelet.clone().oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    if answer.status().is_success() {
        return Ok(answer);
    }
    // The node's refusal, as a Status.
    let code = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), 64 << 10)
        .await
        .map_err(|e| ApiError::Internal(e.to_string()))?;
    let message = String::from_utf8_lossy(&bytes).trim().to_owned();
    Err(match code {
        StatusCode::NOT_FOUND => ApiError::NotFound(resource.subject(&key.name)),
        code if code.is_client_error() => ApiError::BadRequest(message),
        _ => ApiError::Internal(message),
    })
}

fn choose_container<'a>(pod: &'a Value, asked: Option<&'a str>) -> Result<&'a str, ApiError> {
    let names = |field: &str| -> Vec<&'a str> {
        list(pod, &format!("/spec/{field}"))
            .iter()
            .map(|c| text(c, "/name"))
            .collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    match asked {
        Some(asked) if containers.contains(&asked) || init.contains(&asked) => Ok(asked),
        Some(asked) => Err(ApiError::BadRequest(format!(
            "container {asked} is not valid for pod {}",
            name(pod)
        ))),
        None => match (containers.as_slice(), init.is_empty()) {
            ([only], true) => Ok(only),
            _ => {
                let mut message = format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    name(pod),
                    containers.join(" ")
                );
                if !init.is_empty() {
                    message.push_str(&format!(
                        " or one of the init containers: [{}]",
                        init.join(" ")
                    ));
                }
                Err(ApiError::BadRequest(message))
            }
        },
    }
}

async fn binding(
    api: &Api,
    resource: &Arc<Resource>,
    key: &Key,
    mut call: Call,
) -> Result<Response<Body>, ApiError> {
    let binding = call.read_object().await?;
    let node = text(&binding, "/target/name");
    if node.is_empty() {
        return Err(ApiError::BadRequest(
            "binding: target.name is required".into(),
        ));
    }
    api.bind(resource, key, node).await?;
    Ok(response::value(StatusCode::CREATED, false, &success()))
}

async fn eviction(
    api: &Api,
    resource: &Arc<Resource>,
    key: &Key,
    mut call: Call,
) -> Result<Response<Body>, ApiError> {
    let body = call.read_object().await?;
    let options = body.get("deleteOptions").filter(|o| !o.is_null()).cloned();
    let options = DeleteOptions::parse(&call.query, options)?;
    // There are no disruption budgets here, so every eviction is allowed.
    let target = Target::new(resource, &key.namespace, &key.name, Part::Main);
    api.delete(&target, &options).await?;
    Ok(response::value(StatusCode::CREATED, false, &success()))
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

impl Api {
    /// Puts a Pod on a node, once.
    pub(crate) async fn bind(
        &self,
        resource: &Arc<Resource>,
        key: &Key,
        node: &str,
    ) -> Result<(), ApiError> {
        let target = Target::new(resource, &key.namespace, &key.name, Part::Internal);
        self.edit(&target, |pod| {
            let bound = text(pod, "/spec/nodeName");
            let refusal = if !bound.is_empty() {
                format!("pod {} is already assigned to node \"{bound}\"", key.name)
            } else if super::object::is_deleting(pod) {
                format!(
                    "pod {} is being deleted, cannot be assigned to a host",
                    key.name
                )
            } else {
                strategy::bind(pod, node, Timestamp::now());
                return Ok(());
            };
            Err(ApiError::Conflict {
                subject: resource.subject(&key.name),
                message: refusal,
            })
        })
        .await?;
        Ok(())
    }
}
