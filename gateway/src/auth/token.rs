//! Access tokens: short-lived JSON Web Tokens, signed with Ed25519.
//!
//! The header names the key (`kid`), so that a new key can sign while tokens of the old one are still good. [`keys`](super::keys)
//! says where keys come from.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::keys::{Key, KeySource, PublicKey};
use crate::database::users::Role;
use crate::error::Error;

/// `iss` and `aud` of access tokens. The tokens of tasks have another audience and other keys.
pub const ISSUER: &str = "codex-gateway";
/// How far the clocks of two gateways may be apart, in seconds.
const LEEWAY: u64 = 5;
/// How often the keys are looked at again.
const RELOAD: Duration = Duration::from_secs(5);

/// The keys that sign and verify access tokens.
pub struct TokenKeys {
    current: RwLock<Arc<KeySet>>,
    source: Option<KeySource>,
    lifetime: Duration,
}

/// What is known at one moment.
struct KeySet {
    /// The first signs; all of them verify. There is at least one.
    keys: Vec<Key>,
}

/// What an access token says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The id of the user.
    pub sub: Uuid,
    /// `admin` or `user`, for clients; the gateway asks its database.
    pub role: String,
    /// The login that the token descends from.
    pub sid: Uuid,
    /// Which epoch of the user's sessions the token belongs to.
    pub epoch: i64,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// Whom a token is for.
pub struct Subject {
    /// The user.
    pub user_id: Uuid,
    /// What the user may do.
    pub role: Role,
    /// The login.
    pub session: Uuid,
    /// The epoch of the user's sessions.
    pub epoch: i64,
}

impl TokenKeys {
    /// Reads the keys.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::SigningKey`] or [`Error::NoSigningKey`] with the path.
    pub fn read(source: KeySource, lifetime: Duration) -> Result<Self, Error> {
        let keys = source.read()?;
        Ok(Self {
            current: RwLock::new(Arc::new(KeySet { keys })),
            source: Some(source),
            lifetime,
        })
    }

    /// Keys from the text of one PEM file; nothing when it is no Ed25519 private key.
    #[must_use]
    pub fn from_pem(pem: &[u8], lifetime: Duration) -> Option<Self> {
        let keys = vec![Key::from_pem(pem)?];
        Some(Self {
            current: RwLock::new(Arc::new(KeySet { keys })),
            source: None,
            lifetime,
        })
    }

    /// How long a new token is good.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The public halves of all keys; the first signs.
    #[must_use]
    pub fn public(&self) -> Vec<PublicKey> {
        self.current().keys.iter().map(Key::public).collect()
    }

    /// A token for a user.
    ///
    /// # Errors
    /// Those of the signature, which cannot happen with a key that was read.
    pub fn sign(&self, subject: &Subject) -> Result<String, jsonwebtoken::errors::Error> {
        let now = jsonwebtoken::get_current_timestamp();
        let claims = Claims {
            sub: subject.user_id,
            role: subject.role.as_str().to_owned(),
            sid: subject.session,
            epoch: subject.epoch,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: now,
            exp: now + self.lifetime.as_secs(),
        };
        let current = self.current();
        let Some(key) = current.keys.first() else {
            return Err(jsonwebtoken::errors::ErrorKind::InvalidEddsaKey.into());
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id().to_owned());
        jsonwebtoken::encode(&header, &claims, key.signing())
    }

    /// The claims of a token that is good now; nothing otherwise.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let current = self.current();
        let key = current.keys.iter().find(|key| key.id() == kid)?;
        // Only this algorithm: the token does not get to choose how it is verified.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_audience(&[ISSUER]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        let data = jsonwebtoken::decode::<Claims>(token, key.verifying(), &validation).ok()?;
        // A token from the future comes from a clock that is wrong, and would outlive its time.
        let now = jsonwebtoken::get_current_timestamp();
        (data.claims.iat <= now + LEEWAY).then_some(data.claims)
    }

    /// Reads the keys again and again until `shutdown`, so that they can be exchanged while the gateway runs.
    pub async fn keep_current(&self, shutdown: &CancellationToken) {
        let Some(source) = self.source.clone() else {
            shutdown.cancelled().await;
            return;
        };
        let mut failing = false;
        while shutdown
            .run_until_cancelled(tokio::time::sleep(RELOAD))
            .await
            .is_some()
        {
            let from = source.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || from.read()).await else {
                continue;
            };
            match read {
                Ok(keys) => {
                    failing = false;
                    self.exchange(keys);
                }
                // The keys that are known go on: a folder that is being changed may be half-done.
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(error = %with_cause(&error), "the signing keys cannot be read again; those read before go on");
                }
                Err(_) => {}
            }
        }
    }

    fn exchange(&self, keys: Vec<Key>) {
        let ids = |keys: &[Key]| {
            keys.iter()
                .map(|key| key.id().to_owned())
                .collect::<Vec<_>>()
        };
        let (before, after) = (ids(&self.current().keys), ids(&keys));
        if before == after {
            return;
        }
        tracing::info!(signing = after.first(), keys = ?after, "the signing keys have changed");
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(KeySet { keys });
    }

    fn current(&self) -> Arc<KeySet> {
        // The lock is held for a copy of a pointer only.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn with_cause(error: &Error) -> String {
    use std::error::Error as _;
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::EncodingKey;

    fn pem() -> String {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .unwrap()
            .serialize_pem()
    }

    fn keys(pem: &str) -> TokenKeys {
        TokenKeys::from_pem(pem.as_bytes(), Duration::from_secs(60)).unwrap()
    }

    fn subject() -> Subject {
        Subject {
            user_id: Uuid::now_v7(),
            role: Role::User,
            session: Uuid::now_v7(),
            epoch: 3,
        }
    }

    #[test]
    fn own_tokens_pass_and_foreign_ones_do_not() {
        let (ours, theirs) = (keys(&pem()), keys(&pem()));
        let subject = subject();
        let token = ours.sign(&subject).unwrap();
        let claims = ours.verify(&token).unwrap();
        assert_eq!(
            (claims.sub, claims.sid, claims.epoch),
            (subject.user_id, subject.session, 3)
        );
        assert!(theirs.verify(&token).is_none());
        assert!(ours.verify("").is_none());
        assert!(ours.verify("a.b.c").is_none());
    }

    #[test]
    fn only_the_right_claims_pass() {
        let pem = pem();
        let ours = keys(&pem);
        let kid = ours.public()[0].kid.clone();
        let now = jsonwebtoken::get_current_timestamp();
        let good = || Claims {
            sub: Uuid::now_v7(),
            role: "admin".into(),
            sid: Uuid::now_v7(),
            epoch: 0,
            iss: ISSUER.into(),
            aud: ISSUER.into(),
            iat: now,
            exp: now + 60,
        };
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        let passes = |change: &dyn Fn(&mut Claims)| {
            let mut claims = good();
            change(&mut claims);
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = Some(kid.clone());
            let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
            ours.verify(&token).is_some()
        };
        assert!(passes(&|_| {}));
        assert!(passes(&|claims| claims.exp = now - LEEWAY + 2));
        assert!(!passes(&|claims| claims.exp = now - LEEWAY - 2));
        assert!(passes(&|claims| claims.iat = now + LEEWAY - 2));
        assert!(!passes(&|claims| claims.iat = now + LEEWAY + 60));
        assert!(!passes(&|claims| claims.aud = "pod-proxy".into()));
        assert!(!passes(&|claims| claims.iss = "codex-operator".into()));
    }
}
