//! The node's endpoint for an API server that is another process: TLS, and the same questions as a kubelet asks.
//!
//! Logs of tasks are private, and whoever reaches the port could read them. So each request needs an identity, and the API server says
//! what that one may:
//!
//! 1. **Who**: a client certificate from the authorities that the API server publishes for its clients (that is how it shows itself,
//!    with `--kubelet-client-certificate`), or a bearer token that a TokenReview accepts. Anything else is 401.
//! 2. **May they**: a SubjectAccessReview for `get nodes/proxy` of this node, as a kubelet with `--authorization-mode=Webhook` asks for
//!    container logs. Otherwise every service account of the cluster could read every log. A refusal is 403.

pub mod access;
pub mod authorities;
pub mod certificate;

use std::sync::Arc;

use axum::{Router, middleware};

use self::access::Access;

/// The endpoint, for those who may use it.
pub fn guarded(router: Router, access: Arc<Access>) -> Router {
    router.layer(middleware::from_fn_with_state(access, access::require))
}
