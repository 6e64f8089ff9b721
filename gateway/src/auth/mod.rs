//! Who is asking: passwords, access tokens, refresh tokens and the throttle of logins.
//!
//! OpenID Connect and API tokens become further ways to get an [`Identity`](crate::http::identity::Identity).

pub mod password;
pub mod session;
pub mod throttle;
pub mod token;
