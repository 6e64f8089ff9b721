//! From a request to its handler: identity, path, permission, verb.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Value, json};

use super::auth::{Attributes, User};
use super::convert::from_stored;
use super::error::ApiError;
use super::negotiate::{self, Format};
use super::request::{DeleteOptions, ListOptions, Query, ResourcePath, WriteOptions};
use super::resources::{Kind, Resource};
use super::store::Key;
use super::tables::IncludeObject;
use super::write::{Part, PatchType, Target, Written};
use super::{Api, discovery, pods, response};

/// As upstream; etcd would refuse objects above 1.5 MiB.
const MAX_BODY: usize = 3 << 20;

/// A request whose head has been read.
pub(crate) struct Call {
    pub(crate) user: Arc<User>,
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// Answers any request.
pub(crate) async fn handle(State(api): State<Arc<Api>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let result = async {
        let user = api.auth.authenticate(&parts.headers)?;
        let call = Call {
            user,
            method: parts.method.clone(),
            query: Query::parse(parts.uri.query()),
            raw_query: parts.uri.query().unwrap_or("").to_owned(),
            headers: parts.headers,
            body,
        };
        route(&api, &path, call).await
    }
    .await;
    result.unwrap_or_else(|error| {
        if error.code().0.is_server_error() {
            tracing::error!(http.method = %parts.method, http.path = %path, %error, "request failed");
        }
        response::error(&error)
    })
}

async fn route(api: &Arc<Api>, path: &str, call: Call) -> Result<Response<Body>, ApiError> {
    let Some(resource_path) = ResourcePath::parse(path) else {
        let verb = call.method.as_str().to_ascii_lowercase();
        let attributes = Attributes {
            verb: &verb,
            path,
            ..Attributes::default()
        };
        authorize(api, &call.user, &attributes)?;
        return discovery::respond(api, path, &call);
    };
    let mut namespace = resource_path.namespace.as_deref();
    let verb = resource_path.verb(&call.method, &call.query);
    // RBAC sees a namespace as being in itself.
    if resource_path.plural == "namespaces" && resource_path.group.is_empty() {
        namespace = resource_path.name.as_deref();
    }
    authorize(
        api,
        &call.user,
        &Attributes {
            verb,
            group: &resource_path.group,
            resource: &resource_path.plural,
            subresource: resource_path.subresource.as_deref(),
            namespace,
            name: resource_path.name.as_deref(),
            path,
        },
    )?;
    let resource = resource_path.resolve(&api.catalog.served())?;
    respond(api, &resource, &resource_path, verb, call).await
}

fn authorize(api: &Api, user: &Arc<User>, attributes: &Attributes<'_>) -> Result<(), ApiError> {
    match user.require(attributes) {
        // Who has no token is told to send one, not that it would be in vain.
        Err(_) if api.auth.is_anonymous(user) => Err(ApiError::Unauthorized),
        result => result,
    }
}

async fn respond(
    api: &Arc<Api>,
    resource: &Arc<Resource>,
    path: &ResourcePath,
    verb: &str,
    call: Call,
) -> Result<Response<Body>, ApiError> {
    let namespace = path.namespace.as_deref();
    let Some(name) = path.name.as_deref() else {
        return match verb {
            "list" => list(api, resource, namespace, &call),
            "watch" => watch(api, resource, namespace, &call),
            "create" => create(api, resource, namespace, call).await,
            "deletecollection" => delete_collection(api, resource, namespace, call).await,
            _ => Err(ApiError::MethodNotAllowed),
        };
    };
    if resource.is_review() {
        return Err(ApiError::MethodNotAllowed);
    }
    let key = Key::new(namespace.unwrap_or(""), name);
    let part = match (path.subresource.as_deref(), resource.kind) {
        (None, _) => Part::Main,
        (Some("status"), _) if resource.has_status => Part::Status,
        (Some("finalize"), Kind::Namespace) => Part::Finalize,
        (Some(sub), Kind::Pod) => {
            return pods::subresource(api, resource, &key, sub, verb, call).await;
        }
        (Some(_), Kind::Custom) => return Err(ApiError::NoSuchPart(resource.subject(name))),
        (Some(_), _) => return Err(ApiError::NoSuchPath),
    };
    let target = Target::new(resource, &key.namespace, name, part);
    match verb {
        "get" if call.query.flag("watch") => watch_one(api, resource, &key, &call),
        "get" => get(api, resource, &key, &call),
        "update" => update(api, &target, call).await,
        "patch" => patch(api, &target, call).await,
        "delete" if part == Part::Main => delete(api, &target, call).await,
        _ if resource.kind == Kind::Custom => Err(ApiError::NoSuchMethod {
            subject: resource.subject(""),
            method: verb.to_owned(),
        }),
        _ => Err(ApiError::MethodNotAllowed),
    }
}

impl Call {
    /// The body, up to the limit.
    pub(crate) async fn read_body(&mut self) -> Result<Bytes, ApiError> {
        let body = std::mem::take(&mut self.body);
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(e) if e.is::<LengthLimitError>() => Err(ApiError::TooLarge(MAX_BODY)),
            Err(e) => Err(ApiError::BadRequest(format!("cannot read the body: {e}"))),
        }
    }

    pub(crate) async fn read_object(&mut self) -> Result<Value, ApiError> {
        let body = self.read_body().await?;
        negotiate::decode_object(&self.headers, &body)
    }

    pub(crate) fn write_options(&self) -> Result<WriteOptions, ApiError> {
        let agent = self
            .headers
            .get(http::header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let options = match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            _ => "PatchOptions",
        };
        WriteOptions::parse(&self.query, agent, options)
    }

    fn include(&self) -> Result<IncludeObject, ApiError> {
        IncludeObject::parse(self.query.get("includeObject"))
    }

    pub(crate) async fn delete_options(&mut self) -> Result<DeleteOptions, ApiError> {
        let body = self.read_body().await?;
        let value = if body.is_empty() {
            None
        } else {
            Some(negotiate::decode_object(&self.headers, &body)?)
        };
        DeleteOptions::parse(&self.query, value)
    }
}

fn get(api: &Api, resource: &Resource, key: &Key, call: &Call) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let stored = api.get(resource, key)?;
    let object = from_stored(resource, &stored.value);
    let include = call.include()?;
    Ok(response::object(
        StatusCode::OK,
        format,
        include,
        resource,
        &object,
    ))
}

fn list(
    api: &Api,
    resource: &Resource,
    namespace: Option<&str>,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    if resource.is_review() {
        return Err(ApiError::MethodNotAllowed);
    }
    let format = Format::negotiate(&call.headers)?;
    let options = ListOptions::parse(&call.query)?;
    let page = api.list(resource, namespace, &options)?;
    Ok(response::list(format, call.include()?, resource, &page))
}

fn watch(
    api: &Arc<Api>,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    if resource.is_review() {
        return Err(ApiError::MethodNotAllowed);
    }
    let options = ListOptions::parse(&call.query)?;
    watch_with(api, resource, namespace, &options, call)
}

/// The older form of a watch on one object: `GET .../NAME?watch`.
fn watch_one(
    api: &Arc<Api>,
    resource: &Arc<Resource>,
    key: &Key,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    let mut options = ListOptions::parse(&call.query)?;
    options.field_selector = Some(format!("metadata.name={}", key.name));
    let namespace = resource.namespaced.then_some(key.namespace.as_str());
    watch_with(api, resource, namespace, &options, call)
}

fn watch_with(
    api: &Arc<Api>,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
    options: &ListOptions,
    call: &Call,
) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let watch = api.watch(resource, namespace, options, format, call.include()?)?;
    let body = Body::from_stream(watch.into_stream());
    let json = HeaderValue::from_static("application/json");
    Ok(response::body(StatusCode::OK, json, body))
}

fn written(
    call: &Call,
    format: Format,
    target: &Resource,
    written: &Written,
) -> Result<Response<Body>, ApiError> {
    let status = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let answer = response::object(status, format, call.include()?, target, &written.object);
    Ok(response::with_warnings(answer, &written.warnings))
}

async fn create(
    api: &Api,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
    mut call: Call,
) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let options = call.write_options()?;
    let object = call.read_object().await?;
    if resource.is_review() {
        let reviewed = call.user.review(resource.kind, object);
        return Ok(response::value(StatusCode::CREATED, format.yaml, &reviewed));
    }
    if resource.namespaced && namespace.is_none() {
        return Err(ApiError::MethodNotAllowed);
    }
    let target = Target::new(resource, namespace.unwrap_or(""), "", Part::Main);
    let done = api.create(&target, object, &options).await?;
    written(&call, format, resource, &done)
}

async fn update(api: &Api, target: &Target, mut call: Call) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let options = call.write_options()?;
    let object = call.read_object().await?;
    let done = api.update(target, object, &options).await?;
    written(&call, format, &target.resource, &done)
}

async fn patch(api: &Api, target: &Target, mut call: Call) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let options = call.write_options()?;
    let kind = PatchType::parse(&target.resource, &negotiate::content_type(&call.headers))?;
    let body = call.read_body().await?;
    let patch = match kind {
        PatchType::Apply => negotiate::decode_yaml(&body)?,
        _ => serde_json::from_slice(&body)
            .map_err(|e| ApiError::BadRequest(format!("the patch is not valid JSON: {e}")))?,
    };
    let done = api.patch(target, kind, &patch, &options).await?;
    written(&call, format, &target.resource, &done)
}

async fn delete(api: &Api, target: &Target, mut call: Call) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    let options = call.delete_options().await?;
    let resource = &target.resource;
    let deleted = api.delete(target, &options).await?;
    // Upstream returns Pods and namespaces themselves, and what is not gone yet.
    let returns_object = matches!(resource.kind, Kind::Pod | Kind::Namespace);
    if deleted.gone && !returns_object {
        let status = response::success(resource, &deleted.object);
        return Ok(response::value(StatusCode::OK, format.yaml, &status));
    }
    let include = call.include()?;
    Ok(response::object(
        StatusCode::OK,
        format,
        include,
        resource,
        &deleted.object,
    ))
}

async fn delete_collection(
    api: &Api,
    resource: &Arc<Resource>,
    namespace: Option<&str>,
    mut call: Call,
) -> Result<Response<Body>, ApiError> {
    let format = Format::negotiate(&call.headers)?;
    if resource.is_review()
        || resource.kind == Kind::Namespace
        || (resource.namespaced && namespace.is_none())
    {
        return Err(ApiError::MethodNotAllowed);
    }
    let options = ListOptions::parse(&call.query)?;
    let delete = call.delete_options().await?;
    let page = api.list(resource, namespace, &options)?;
    let mut items = Vec::new();
    for item in &page.items {
        let key = Key::of(&item.value);
        let target = Target::new(resource, &key.namespace, &key.name, Part::Main);
        match api.delete(&target, &delete).await {
            Ok(deleted) => items.push(deleted.object),
            // Someone else was faster.
            Err(ApiError::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
    }
    let list = json!({
        "kind": resource.list_kind,
        "apiVersion": resource.api_version(),
        "metadata": page.metadata,
        "items": items,
    });
    Ok(response::value(StatusCode::OK, format.yaml, &list))
}
