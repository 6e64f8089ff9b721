//! Requests that two servers could read in two ways.
//!
//! hyper refuses nearly all of them, and ends the connection after a body with both a length and chunks; `tests/api/attacks/framing.rs` holds
//! it to that.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Version, header};

use super::envelope::ApiError;

/// Refuses requests that do not name exactly one host: what stands before the gateway may have gone by the other one.
pub async fn check_host(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() != Version::HTTP_11 || hosts == 1 {
        return next.run(request).await;
    }
    let mut refusal =
        ApiError::BadRequest("send exactly one Host header".to_owned()).into_response();
    refusal
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    refusal
}
