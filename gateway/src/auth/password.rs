//! Passwords: argon2id, off the asynchronous threads, a few at a time.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest password, in bytes; more is refused before it is hashed.
pub const MAX_PASSWORD_BYTES: usize = 1024;
/// The shortest password of a new user, in bytes.
pub const MIN_PASSWORD_BYTES: usize = 8;
/// How many hashes are computed at once. Each takes about 19 MiB and tens of milliseconds of a core.
const PARALLEL: usize = 4;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    /// What unknown users are verified against, so that they take as long as known ones.
    decoy: Arc<str>,
}

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is too short or too long.
    #[error("it must have {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes")]
    Length,
    /// The hash function failed.
    #[error("it cannot be hashed")]
    Hash,
}

impl Passwords {
    /// Prepares the decoy.
    ///
    /// # Errors
    /// [`PasswordError::Hash`] when there is no randomness.
    pub async fn new() -> Result<Self, PasswordError> {
        let decoy: SecretString = hex::encode(rand::random::<[u8; 16]>()).into();
        let decoy = hash(decoy).await?;
        Ok(Self {
            slots: Arc::new(Semaphore::new(PARALLEL)),
            decoy: decoy.into(),
        })
    }

    /// Whether the password belongs to the hash. Without a hash it takes as long, and the answer is no.
    pub async fn verify(&self, password: SecretString, stored: Option<String>) -> bool {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.as_ref().to_owned());
        let Some(slot) = self.slot().await else {
            return false;
        };
        let verified = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            PasswordHash::new(&stored).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.expose_secret().as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
        .unwrap_or(false);
        known && verified
    }

    /// An argon2id hash in PHC form, with a random salt; as many at once as there are verifications.
    ///
    /// # Errors
    /// [`PasswordError`] says what is wrong with the password.
    pub async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let slot = self.slot().await.ok_or(PasswordError::Hash)?;
        let hash = hash(password).await;
        drop(slot);
        hash
    }

    /// Nothing only if somebody closed the semaphore, which nobody does.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }
}

/// The same where there are no [`Passwords`] yet.
///
/// # Errors
/// [`PasswordError`] says what is wrong with the password.
pub async fn hash(password: SecretString) -> Result<String, PasswordError> {
    let length = password.expose_secret().len();
    if !(MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&length) {
        return Err(PasswordError::Length);
    }
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.expose_secret().as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|_| PasswordError::Hash)
    })
    .await
    .map_err(|_| PasswordError::Hash)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_passes() {
        let passwords = Passwords::new().await.unwrap();
        let stored = hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(
            passwords
                .verify("correct horse".into(), Some(stored.clone()))
                .await
        );
        assert!(!passwords.verify("wrong horse".into(), Some(stored)).await);
        assert!(!passwords.verify("correct horse".into(), None).await);
        assert!(
            !passwords
                .verify("x".into(), Some("not a hash".into()))
                .await
        );
        assert!(matches!(
            hash("short".into()).await,
            Err(PasswordError::Length)
        ));
    }
}
