//! What the operator derives for each task from its keys: the token for the pod proxy, and the nonce of the log.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::Serialize;
use sha2::Sha256;

use crate::error::Error;

const ISSUER: &str = "codex-operator";
const AUDIENCE: &str = "pod-proxy";
/// The shortest key for nonces, in bytes.
const MIN_NONCE_KEY: usize = 32;

/// Signs the tokens that Pods show to the pod proxy.
pub struct TokenSigner {
    key: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

/// What a token is for.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The id of the task.
    pub task: &'a str,
    /// The task whose session it may take.
    pub resume: Option<&'a str>,
    /// The span that its requests are a part of, as a W3C `traceparent`. It is here, and not in a header, so that the agent can
    /// neither choose it nor leave it out.
    pub traceparent: Option<&'a str>,
}

impl TokenSigner {
    /// Takes an Ed25519 private key in PKCS 8 PEM form.
    ///
    /// # Errors
    /// [`Error::TokenKey`] when it is something else.
    pub fn from_pem(pem: &SecretString) -> Result<Self, Error> {
        let pem = pem.expose_secret().as_bytes();
        let key = EncodingKey::from_ed_pem(pem).map_err(|_| Error::TokenKey)?;
        Ok(Self { key })
    }

    /// A token for one task, valid from `now` until `end`.
    ///
    /// # Errors
    /// [`Error::Token`] when the key cannot sign.
    pub fn sign(
        &self,
        grant: &Grant<'_>,
        now: Timestamp,
        end: Timestamp,
    ) -> Result<SecretString, Error> {
        let claims = Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: grant.task,
            iat: now.as_second(),
            exp: end.as_second(),
            resume: grant.resume,
            traceparent: grant.traceparent,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.key)?;
        Ok(token.into())
    }
}

/// Makes the nonce of each task. The same task always has the same nonce, so that an operator that starts anew knows it
/// without reading Secrets.
pub struct Nonces {
    key: SecretSlice<u8>,
}

impl Nonces {
    /// Reads a key of at least 32 bytes from a file.
    ///
    /// # Errors
    /// [`Error::Key`] when the file cannot be read, [`Error::NonceKey`] when it is too short.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let key = std::fs::read(path).map_err(|error| Error::Key {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::from_bytes(key)
    }

    /// Takes a key of at least 32 bytes.
    ///
    /// # Errors
    /// [`Error::NonceKey`] when it is shorter.
    pub fn from_bytes(key: Vec<u8>) -> Result<Self, Error> {
        if key.len() < MIN_NONCE_KEY {
            return Err(Error::NonceKey(MIN_NONCE_KEY));
        }
        Ok(Self { key: key.into() })
    }

    /// The nonce of the task with this UID: 32 hexadecimal digits.
    #[must_use]
    pub fn nonce(&self, uid: &str) -> SecretString {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .expect("HMAC takes keys of any length");
        mac.update(uid.as_bytes());
        let mut text = hex::encode(mac.finalize().into_bytes());
        text.truncate(32);
        text.into()
    }
}
