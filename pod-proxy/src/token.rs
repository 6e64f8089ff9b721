//! Task tokens: who calls.
//!
//! The operator signs a token for each task with an Ed25519 key of its own, and the proxy has the public half. A token
//! is good for this proxy only, and only while the task may run.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};

/// The issuer of task tokens.
pub const ISSUER: &str = "codex-operator";

/// The audience of task tokens.
pub const AUDIENCE: &str = "pod-proxy";

/// Seconds by which the clocks of signer and verifier may differ.
const LEEWAY_SECONDS: u64 = 5;

/// What a task token says. Sign it with [`jsonwebtoken::encode`] and the algorithm `EdDSA`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskClaims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// The task's id.
    pub sub: String,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// When it ends, in seconds since 1970.
    pub exp: u64,
    /// The id of the task whose session this one may take, because it continues that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// The span that the requests of the task are a part of, as a W3C `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The public keys that tokens may be signed with. More than one lets the signer change its key.
#[derive(Debug)]
pub struct TaskTokenKeys(Vec<DecodingKey>);

/// Why a token is refused. The text goes to the client and holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no bearer token.
    #[error("the request has no task token; send it as Authorization: Bearer <token>")]
    Missing,
    /// It is not a token, or not signed by the operator with Ed25519.
    #[error("the task token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the task token has expired; tokens end with their task")]
    Expired,
    /// It is meant for somebody else.
    #[error("the task token was not issued for the pod proxy")]
    WrongAudience,
}

/// Why a file with public keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It holds no PEM block.
    #[error(
        "it holds no public key; write the Ed25519 public key in PEM form (BEGIN PUBLIC KEY) into it"
    )]
    Empty,
    /// A block is not an Ed25519 public key.
    #[error("it holds something other than Ed25519 public keys in PEM form: {0}")]
    Malformed(#[from] jsonwebtoken::errors::Error),
}

impl TaskTokenKeys {
    /// Reads one or more public keys in PEM form.
    ///
    /// # Errors
    /// When there is none, or one that is not an Ed25519 public key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        const BEGIN: &str = "-----BEGIN";
        let text = String::from_utf8_lossy(pem);
        let blocks = text.match_indices(BEGIN).map(|(start, _)| {
            let end = text[start + BEGIN.len()..]
                .find(BEGIN)
                .map_or(text.len(), |next| start + BEGIN.len() + next);
            text[start..end].trim()
        });
        let keys = blocks
            .map(|block| DecodingKey::from_ed_pem(block.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            Err(KeyError::Empty)
        } else {
            Ok(Self(keys))
        }
    }
}

/// Checks a token: signature, algorithm, issuer, audience, end, and that it names a task.
///
/// # Errors
/// When any of that does not hold.
pub fn verify(token: &str, keys: &TaskTokenKeys) -> Result<TaskClaims, TokenError> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = LEEWAY_SECONDS;
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);

    let mut refusal = TokenError::Invalid;
    for key in &keys.0 {
        match jsonwebtoken::decode::<TaskClaims>(token, key, &validation) {
            Ok(data) if is_task_id(&data.claims.sub) => return Ok(data.claims),
            Ok(_) => return Err(TokenError::Invalid),
            Err(error) => match error.kind() {
                // Another key may have signed it.
                ErrorKind::InvalidSignature => {}
                ErrorKind::ExpiredSignature => refusal = TokenError::Expired,
                ErrorKind::InvalidAudience => refusal = TokenError::WrongAudience,
                _ => {}
            },
        }
    }
    Err(refusal)
}

/// Ids go into logs and are kept while requests run, so their form is checked even though the operator signed them.
fn is_task_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
