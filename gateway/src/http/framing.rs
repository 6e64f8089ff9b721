//! Requests that two servers could read in two ways. What stands before the gateway must not take for one request what the gateway takes for
//! two, or for another host.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Version, header};

use super::envelope::ApiError;

/// Refuses requests that do not name exactly one host, and ends the connection after a body in chunks.
///
/// A request may have both a `Content-Length` and a `Transfer-Encoding`. hyper goes by the latter and hides the former, so it cannot be
/// refused here; but when the connection ends with the answer, as RFC 9112 (6.1) asks for, then what a proxy took for the rest of the body
/// is never read as a request. Clients that send chunks without need are few, and connect again.
pub async fn check(request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        return closing(
            ApiError::BadRequest("send exactly one Host header".to_owned()).into_response(),
        );
    }
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    let response = next.run(request).await;
    if is_chunked {
        return closing(response);
    }
    response
}

fn closing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
