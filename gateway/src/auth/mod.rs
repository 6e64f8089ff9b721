//! Who is asking: passwords, other providers, access tokens, refresh tokens, API tokens, and the throttle of logins.
//!
//! [`session`] begins and ends logins and [`oidc`] begins them with another provider. [`token`] signs and verifies what a session shows with
//! every request, [`secret`] makes everything that is stored as a hash only, and [`scope`] limits API tokens. [`revocation`]
//! ends what is still open when somebody may not do it any more.

pub mod crowd;
pub mod keys;
pub mod oidc;
pub mod password;
pub mod revocation;
pub mod scope;
pub mod secret;
pub mod session;
pub mod throttle;
pub mod token;
