//! The API as an OpenAPI 3.1 document. Each handler says what it takes and answers; this adds what holds for all of them.
//!
//! `gateway/openapi.json` is this document, written by `make generate`: clients are generated from it.

mod common;
pub(crate) mod events;
pub mod reference;

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use self::common::Common;
use super::envelope::Envelope;
use super::handlers::{
    app_links, artifacts, audit, auth, health, me, oidc, openapi, repositories, task_record,
    task_stream, task_ws, tasks, tokens, users,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Codex Remote Runner",
        description = "Run Codex tasks on your own Kubernetes cluster and watch them live. Tokens go into the header \
            `Authorization: Bearer`, never into URLs. Every error has the form of the schema `Error`; `code` is for programs, \
            `message` for people, and `request_id` finds the request in the log of the gateway.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The gateway that serves this document")),
    modifiers(&Common),
    paths(
        health::healthz,
        health::readyz,
        health::metrics,
        openapi::get_document,
        openapi::get_reference,
        openapi::get_reference_style,
        auth::login,
        auth::refresh,
        auth::logout,
        auth::list_methods,
        auth::get_jwks,
        app_links::get_apple_association,
        app_links::list_asset_links,
        oidc::begin_login,
        oidc::finish_login,
        oidc::exchange_code,
        me::get_me,
        me::change_password,
        tokens::list_tokens,
        tokens::create_token,
        tokens::delete_token,
        tasks::list_tasks,
        tasks::create_task,
        tasks::get_task,
        tasks::cancel_task,
        task_stream::stream_task,
        task_ws::watch_task,
        task_record::get_log,
        task_record::get_patch,
        artifacts::list_artifacts,
        artifacts::get_artifact,
        repositories::list_repositories,
        users::list_users,
        users::create_user,
        users::get_user,
        users::update_user,
        users::delete_user,
        audit::list_audit,
        audit::export_audit,
    ),
    components(schemas(Envelope<'_>, events::StreamEvent, audit::AuditEntry)),
    tags(
        (name = "auth", description = "Sign-in and sessions"),
        (name = "tasks", description = "Submit, list, watch and cancel tasks"),
        (name = "repositories", description = "Where tasks may work"),
        (name = "tokens", description = "Tokens for programs"),
        (name = "users", description = "People, for administrators"),
        (name = "audit", description = "Who did what, for administrators"),
        (name = "system", description = "Probes, metrics and this document; no sign-in"),
    )
)]
struct Api;

/// The document.
#[must_use]
pub fn document() -> Document {
    Api::openapi()
}

/// The document as text: JSON, indented, with a line break at its end.
#[must_use]
pub fn text() -> String {
    // It is made of strings, numbers and maps with string keys.
    let mut text =
        serde_json::to_string_pretty(&document()).expect("the document always serializes");
    text.push('\n');
    text
}
