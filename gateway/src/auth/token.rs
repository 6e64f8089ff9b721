//! Access tokens: short-lived JSON Web Tokens, signed with Ed25519.
//!
//! The header names the key (`kid`), so that a new key can sign while tokens of the old one are still good.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::Error;

/// `iss` and `aud` of access tokens. The tokens of tasks have another audience and other keys.
const ISSUER: &str = "codex-gateway";
/// How far the clocks of two gateways may be apart, in seconds.
const LEEWAY: u64 = 5;

/// The keys that sign and verify access tokens.
pub struct TokenKeys {
    kid: String,
    signing: EncodingKey,
    verifying: HashMap<String, DecodingKey>,
    lifetime: Duration,
}

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The id of the user.
    pub sub: Uuid,
    /// `admin` or `user`, for clients; the gateway asks its database.
    pub role: String,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
}

impl TokenKeys {
    /// Reads the key that signs, and those that only verify. They are PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::SigningKey`] with the path.
    pub fn read(
        signing: &Path,
        verify_only: &[PathBuf],
        lifetime: Duration,
    ) -> Result<Self, Error> {
        let mut keys =
            Self::from_pem(&read(signing)?, lifetime).ok_or_else(|| Error::SigningKey {
                path: signing.to_owned(),
            })?;
        for path in verify_only {
            let (kid, _, decoding) =
                parse(&read(path)?).ok_or_else(|| Error::SigningKey { path: path.clone() })?;
            keys.verifying.insert(kid, decoding);
        }
        Ok(keys)
    }

    /// Keys from the text of one PEM file; nothing when it is no Ed25519 private key.
    #[must_use]
    pub fn from_pem(pem: &[u8], lifetime: Duration) -> Option<Self> {
        let (kid, signing, decoding) = parse(pem)?;
        Some(Self {
            verifying: HashMap::from([(kid.clone(), decoding)]),
            kid,
            signing,
            lifetime,
        })
    }

    /// How long a new token is good.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token for a user.
    ///
    /// # Errors
    /// Those of the signature, which cannot happen with a key that was read.
    pub fn sign(&self, user: Uuid, role: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let now = jsonwebtoken::get_current_timestamp();
        let claims = Claims {
            sub: user,
            role: role.to_owned(),
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: now,
            exp: now + self.lifetime.as_secs(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.signing)
    }

    /// The claims of a token that is good now; nothing otherwise.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.verifying.get(&kid)?;
        // Only this algorithm: the token does not get to choose how it is verified.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY;
        validation.set_audience(&[ISSUER]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        let data = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?;
        Some(data.claims)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        what: "the signing key",
        path: path.to_owned(),
        source,
    })
}

/// The id of a key, the key, and its public half.
fn parse(pem: &[u8]) -> Option<(String, EncodingKey, DecodingKey)> {
    let encoding = EncodingKey::from_ed_pem(pem).ok()?;
    let key = SigningKey::from_pkcs8_der(encoding.as_bytes()).ok()?;
    let public = key.verifying_key().to_bytes();
    let kid = hex::encode(&Sha256::digest(public)[..8]);
    Some((kid, encoding, DecodingKey::from_ed_der(&public)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .unwrap()
            .serialize_pem()
    }

    fn keys(pem: &str) -> TokenKeys {
        TokenKeys::from_pem(pem.as_bytes(), Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn own_tokens_pass_and_foreign_ones_do_not() {
        let (first, second) = (pem(), pem());
        let (ours, theirs) = (keys(&first), keys(&second));
        let user = Uuid::now_v7();
        let token = ours.sign(user, "user").unwrap();
        assert_eq!(ours.verify(&token).unwrap().sub, user);
        assert!(theirs.verify(&token).is_none());
        assert!(ours.verify("").is_none());
        assert!(ours.verify("a.b.c").is_none());
    }

    #[test]
    fn expired_altered_and_otherwise_signed_tokens_are_refused() {
        let ours = keys(&pem());
        let claims = |exp: u64, aud: &str| Claims {
            sub: Uuid::now_v7(),
            role: "admin".into(),
            iss: ISSUER.into(),
            aud: aud.into(),
            iat: 0,
            exp,
        };
        let now = jsonwebtoken::get_current_timestamp();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(ours.kid.clone());
        let signed =
            |claims: &Claims| jsonwebtoken::encode(&header, claims, &ours.signing).unwrap();
        assert!(ours.verify(&signed(&claims(now + 60, ISSUER))).is_some());
        assert!(ours.verify(&signed(&claims(now - 60, ISSUER))).is_none());
        assert!(
            ours.verify(&signed(&claims(now + 60, "pod-proxy")))
                .is_none()
        );

        // The public key as the secret of a symmetric signature is the classic confusion.
        let mut symmetric = Header::new(Algorithm::HS256);
        symmetric.kid = Some(ours.kid.clone());
        let public = SigningKey::from_pkcs8_der(ours.signing.as_bytes())
            .unwrap()
            .verifying_key()
            .to_bytes();
        let forged = jsonwebtoken::encode(
            &symmetric,
            &claims(now + 60, ISSUER),
            &EncodingKey::from_secret(&public),
        )
        .unwrap();
        assert!(ours.verify(&forged).is_none());
    }

    #[test]
    fn old_keys_still_verify() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.pem"), dir.path().join("new.pem"));
        std::fs::write(&old, pem()).unwrap();
        std::fs::write(&new, pem()).unwrap();
        let lifetime = Duration::from_secs(60);
        let before = TokenKeys::read(&old, &[], lifetime).unwrap();
        let token = before.sign(Uuid::now_v7(), "user").unwrap();
        let after = TokenKeys::read(&new, &[old], lifetime).unwrap();
        assert!(after.verify(&token).is_some());
        assert!(
            before
                .verify(&after.sign(Uuid::now_v7(), "user").unwrap())
                .is_none()
        );
    }
}
