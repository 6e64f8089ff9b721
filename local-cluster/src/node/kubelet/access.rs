//! Who may use the node's endpoint: the API server is asked, as a kubelet does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::https::ClientCertificate;

/// How long a permission is believed, so that the API server is not asked twice for each log.
const BELIEVED: Duration = Duration::from_secs(60);
/// Permissions that are remembered. Few clients use a node: the API server, mostly.
const MOST_REMEMBERED: usize = 256;

/// Asks the API server.
#[derive(Debug)]
pub struct Access {
    node: String,
    tokens: Api<TokenReview>,
    permissions: Api<SubjectAccessReview>,
    allowed: Mutex<HashMap<[u8; 32], Instant>>,
}

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("Unauthorized")]
    Unknown,
    #[error("Forbidden (user={0}, verb=get, resource=nodes, subresource=proxy)")]
    Forbidden(String),
    #[error("the API server could not be asked who this is: {0}")]
    NotAsked(#[from] kube::Error),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self {
            Self::Unknown => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            // As a kubelet says it; clients take 503 for a reason to ask again at once.
            Self::NotAsked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (code, self.to_string()).into_response()
    }
}

/// What somebody shows.
enum Credential<'a> {
    Certificate(&'a CertificateDer<'static>),
    Token(&'a str),
}

/// Somebody, as the API server knows them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Caller {
    name: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: Option<BTreeMap<String, Vec<String>>>,
}

/// Lets a request pass, or answers it.
pub async fn require(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let shown = request.extensions().get::<ClientCertificate>();
    let certificate = shown.and_then(|shown| shown.0.as_ref());
    let token = bearer(request.headers());
    let credential = match (certificate, token) {
        (Some(certificate), _) => Credential::Certificate(certificate),
        (None, Some(token)) => Credential::Token(token),
        (None, None) => return Refusal::Unknown.into_response(),
    };
    match access.check(&credential).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Access {
    /// Asks with this client, for the node of this name.
    pub fn new(client: Client, node: &str) -> Self {
        Self {
            node: node.to_owned(),
            tokens: Api::all(client.clone()),
            permissions: Api::all(client),
            allowed: Mutex::default(),
        }
    }

    async fn check(&self, credential: &Credential<'_>) -> Result<(), Refusal> {
        let key = key(credential);
        if self.is_remembered(&key) {
            return Ok(());
        }
        let caller = match credential {
            Credential::Certificate(certificate) => subject(certificate).ok_or(Refusal::Unknown)?,
            Credential::Token(token) => self.review(token).await?,
        };
        self.authorize(caller).await?;
        self.remember(key);
        Ok(())
    }

    async fn review(&self, token: &str) -> Result<Caller, Refusal> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let answer = self.tokens.create(&PostParams::default(), &review).await?;
        let status = answer.status.unwrap_or_default();
        if status.authenticated != Some(true) {
            return Err(Refusal::Unknown);
        }
        let user = status.user.unwrap_or_default();
        Ok(Caller {
            name: user.username.ok_or(Refusal::Unknown)?,
            uid: user.uid,
            groups: user.groups.unwrap_or_default(),
            extra: user.extra,
        })
    }

    async fn authorize(&self, caller: Caller) -> Result<(), Refusal> {
        let name = caller.name.clone();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(caller.name),
                uid: caller.uid,
                groups: Some(caller.groups),
                extra: caller.extra,
                resource_attributes: Some(ResourceAttributes {
                    verb: Some("get".to_owned()),
                    version: Some("v1".to_owned()),
                    resource: Some("nodes".to_owned()),
                    subresource: Some("proxy".to_owned()),
                    name: Some(self.node.clone()),
                    ..ResourceAttributes::default()
                }),
                non_resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        };
        let answer = self
            .permissions
            .create(&PostParams::default(), &review)
            .await?;
        if answer.status.is_some_and(|status| status.allowed) {
            Ok(())
        } else {
            Err(Refusal::Forbidden(name))
        }
    }

    fn is_remembered(&self, key: &[u8; 32]) -> bool {
        self.remembered()
            .get(key)
            .is_some_and(|since| since.elapsed() < BELIEVED)
    }

    fn remember(&self, key: [u8; 32]) {
        let mut allowed = self.remembered();
        allowed.retain(|_, since| since.elapsed() < BELIEVED);
        if allowed.len() < MOST_REMEMBERED {
            allowed.insert(key, Instant::now());
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Instant>> {
        // A map that is changed by one call at a time is never left half changed.
        self.allowed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens are not kept, only what tells them apart.
fn key(credential: &Credential<'_>) -> [u8; 32] {
    let (kind, bytes) = match credential {
        Credential::Certificate(certificate) => ("certificate", certificate.as_ref()),
        Credential::Token(token) => ("token", token.as_bytes()),
    };
    Sha256::new()
        .chain_update(kind)
        .chain_update(bytes)
        .finalize()
        .into()
}

/// The user of a client certificate: its common name, with its organizations as groups.
fn subject(certificate: &CertificateDer<'_>) -> Option<Caller> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = parsed.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<String> = subject
        .iter_organization()
        .filter_map(|organization| Some(organization.as_str().ok()?.to_owned()))
        .collect();
    groups.push("system:authenticated".to_owned());
    Some(Caller {
        name,
        groups,
        ..Caller::default()
    })
}

#[cfg(test)]
mod tests;
