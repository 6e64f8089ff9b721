//! Sign-in with another provider: OpenID Connect, the code flow with PKCE.
//!
//! 1. The client makes a secret, and sends the browser to `/auth/oidc/login` with the secret's SHA-256 (`challenge`).
//! 2. The gateway sends it on to the provider. What it needs to know when the browser comes back is in a cookie: [`Pending`].
//! 3. The provider sends the browser to `/auth/oidc/callback` with a code. [`Provider::finish`] exchanges it for an ID token and
//!    verifies that: signature, issuer, audience, time and nonce.
//! 4. The gateway finds or makes the user, and sends the browser back to the client with a code of its own, good for a minute and once, in the
//!    fragment of the address, which no server and no log sees.
//! 5. The client exchanges code and secret for its tokens. Without the secret the code is worthless: who reads it over somebody's
//!    shoulder, or slips a code of their own into somebody else's browser, gets nowhere.

mod http_client;
mod provider;
mod return_to;
mod settings;

use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use serde::{Deserialize, Serialize};

pub use provider::{OidcError, Provider};
pub use settings::OidcSettings;

use crate::database::users::Role;

/// What the gateway has to know when the browser comes back from the provider. It is kept in the browser: nothing in it is secret from whom
/// it belongs to, and only a browser that has it can finish the sign-in.
#[derive(Serialize, Deserialize)]
pub struct Pending {
    /// Comes back with the code, and says which sign-in it belongs to.
    pub state: CsrfToken,
    /// Comes back in the ID token.
    pub nonce: Nonce,
    /// Proves to the provider that the code was given to us.
    pub verifier: PkceCodeVerifier,
    /// SHA-256 of the client's secret, base64url.
    pub challenge: String,
    /// Where the client waits.
    pub return_to: String,
}

/// Somebody whom the provider has vouched for.
#[derive(Debug)]
pub struct Vouched {
    /// Who it is there, for ever.
    pub subject: String,
    /// The address, when the provider has verified it.
    pub verified_email: Option<String>,
    /// What the groups make of the user; nothing when groups say nothing about roles.
    pub role: Option<Role>,
}
