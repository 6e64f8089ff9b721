//! Which headers pass.

use http::{HeaderMap, HeaderName, header};

/// Headers that concern one connection only (RFC 9110, section 7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Further request headers that stay here. The body's length is set anew; `expect` is answered by the proxy; the
/// account that pays is the operator's choice, not the task's.
const REQUEST_ONLY: [&str; 12] = [
    "authorization",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "openai-organization",
    "openai-project",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Further response headers that stay here: they would tell a task about the account.
const RESPONSE_ONLY: [&str; 3] = ["openai-organization", "openai-project", "set-cookie"];

/// What of a request's headers goes to the model API.
pub(crate) fn for_upstream(headers: &HeaderMap) -> HeaderMap {
    filtered(headers, &REQUEST_ONLY)
}

/// What of the model API's headers goes to the task.
pub(crate) fn for_client(headers: &HeaderMap) -> HeaderMap {
    filtered(headers, &RESPONSE_ONLY)
}

fn filtered(headers: &HeaderMap, also: &[&str]) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let passes = |name: &HeaderName| {
        !HOP_BY_HOP.contains(&name.as_str())
            && !also.contains(&name.as_str())
            && !named.contains(name)
    };
    headers
        .iter()
        .filter(|(name, _)| passes(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn connection_headers_and_credentials_stay() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("host", "proxy"),
            ("te", "trailers"),
            ("openai-project", "p"),
            ("accept", "text/event-stream"),
            ("x-codex-turn-metadata", "{}"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        assert_eq!(
            names(&for_upstream(&headers)),
            ["accept", "x-codex-turn-metadata"]
        );
    }

    #[test]
    fn repeated_headers_pass_whole() {
        let mut headers = HeaderMap::new();
        headers.append("x-many", "1".parse().unwrap());
        headers.append("x-many", "2".parse().unwrap());
        headers.append("set-cookie", "a=b".parse().unwrap());
        let passed = for_client(&headers);
        assert_eq!(names(&passed), ["x-many"]);
        assert_eq!(passed.get_all("x-many").iter().count(), 2);
    }
}
