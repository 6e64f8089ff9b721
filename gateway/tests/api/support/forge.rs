//! Access tokens with a flaw.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde_json::{Map, Value, json};

use super::client::Client;

/// A token that can be changed before it is signed.
#[derive(Clone)]
pub struct Token {
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

impl Token {
    /// The token of somebody who is logged in.
    pub fn of(client: &Client) -> Self {
        let token = client.token.as_deref().unwrap();
        let mut parts = token.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice(&bytes).unwrap_or_default()
        });
        Self {
            header: parts.next().unwrap(),
            claims: parts.next().unwrap(),
        }
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name).unwrap();
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name).unwrap();
        self
    }

    /// Header and claims, without a signature.
    pub fn message(&self) -> String {
        let part = |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(json!(part).to_string());
        format!("{}.{}", part(&self.header), part(&self.claims))
    }

    /// Signed with the gateway's own key, whatever the header says.
    pub fn signed(&self, pem: &str) -> String {
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        self.signed_with(&key, jsonwebtoken::Algorithm::EdDSA)
    }

    /// Signed with any key, whatever the header says.
    pub fn signed_with(&self, key: &EncodingKey, algorithm: jsonwebtoken::Algorithm) -> String {
        let message = self.message();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}
