//! Random secrets that are handed out once and stored as hashes: refresh tokens, API tokens and login codes.
//!
//! They have at least 230 random bits, so a fast hash is enough. Each kind begins with letters of its own, so that scanners for leaked
//! secrets find it, and the checksum of API tokens tells them, and the gateway, a real one from what only looks like it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use rand::distr::Alphanumeric;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// How API tokens begin.
pub const API_TOKEN_PREFIX: &str = "crr_";
const REFRESH_PREFIX: &str = "crs_";
const CODE_PREFIX: &str = "crc_";
/// Random letters and digits of an API token: 238 bits.
const API_TOKEN_RANDOM: usize = 40;
/// Letters and digits that a CRC-32 fits into.
const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a refresh token and its successor are derived from, besides the token itself.
#[must_use]
pub fn salt() -> [u8; 32] {
    rand::random()
}

/// The hash under which a secret is stored.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A refresh token: opaque, and good for one use.
#[derive(Clone)]
pub struct RefreshToken(SecretString);

impl RefreshToken {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self::from_bytes(&rand::random())
    }

    /// The token that takes the place of this one. Only who has this token and the salt can know it.
    ///
    /// # Panics
    /// Never: HMAC takes keys of every length.
    #[must_use]
    pub fn successor(&self, salt: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes())
            .expect("HMAC takes keys of every length");
        mac.update(salt);
        Self::from_bytes(&mac.finalize().into_bytes().into())
    }

    /// The hash under which it is stored.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(self.0.expose_secret())
    }

    /// The text for the client.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(format!("{REFRESH_PREFIX}{}", hex::encode(bytes)).into())
    }
}

impl From<SecretString> for RefreshToken {
    fn from(text: SecretString) -> Self {
        Self(text)
    }
}

/// A code for one exchange.
#[must_use]
pub fn login_code() -> String {
    format!("{CODE_PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()))
}

/// A new API token: `crr_`, 40 random letters and digits, and 6 more that are the CRC-32 of what stands before, in base 62.
#[must_use]
pub fn api_token() -> SecretString {
    let random: String = rand::rng()
        .sample_iter(Alphanumeric)
        .take(API_TOKEN_RANDOM)
        .map(char::from)
        .collect();
    let text = format!("{API_TOKEN_PREFIX}{random}");
    let checksum = checksum(&text);
    format!("{text}{checksum}").into()
}

/// Whether a text has the form of an API token; most that have not need no look into the database.
#[must_use]
pub fn is_api_token(text: &str) -> bool {
    let Some(end) = text.len().checked_sub(CHECKSUM) else {
        return false;
    };
    text.len() == API_TOKEN_PREFIX.len() + API_TOKEN_RANDOM + CHECKSUM
        && text.is_ascii()
        && text.starts_with(API_TOKEN_PREFIX)
        && checksum(&text[..end]) == text[end..]
}

fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        // A remainder of 62 always fits.
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_tokens_know_their_own() {
        let token = api_token();
        let text = token.expose_secret();
        assert!(is_api_token(text), "{text}");
        assert_eq!(text.len(), 50);
        assert_ne!(text, api_token().expose_secret());
        // One letter different anywhere is noticed.
        for index in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[index] = if other[index] == b'x' { b'y' } else { b'x' };
            assert!(!is_api_token(std::str::from_utf8(&other).unwrap()));
        }
        for other in ["", "crr_", "crr_äöü", &text[1..], &format!("{text}0")] {
            assert!(!is_api_token(other), "{other}");
        }
        // Scanners compute the same: this is what they are told to expect.
        assert_eq!(checksum("crr_"), "3OcCiM");
    }

    #[test]
    fn successors_follow_from_token_and_salt() {
        let (first, other) = (RefreshToken::generate(), RefreshToken::generate());
        let (salt, pepper) = (salt(), salt());
        assert_eq!(first.successor(&salt).hash(), first.successor(&salt).hash());
        assert_ne!(
            first.successor(&salt).hash(),
            first.successor(&pepper).hash()
        );
        assert_ne!(first.successor(&salt).hash(), other.successor(&salt).hash());
    }
}
