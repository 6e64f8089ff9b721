//! What each route asks of whoever calls it.
//!
//! People who are logged in may call everything that their role allows. API tokens may call what their scopes name; a route
//! that is not listed here is closed to them, so that a new one is not opened by oversight.

use http::Method;

use crate::auth::scope::TokenScope;

/// What a route asks of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Any token that is good.
    Nothing,
    /// A token with this scope.
    Scope(TokenScope),
    /// No token will do: the user has to be logged in. A token that could make tokens would never run out.
    Session,
}

/// What the route asks for. Routes are named as in the router, with `{id}` in place of an id.
#[must_use]
pub fn need(method: &Method, route: &str) -> Need {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let (area, _) = route
        .strip_prefix("/api/")
        .and_then(|rest| rest.split_once('/').or(Some((rest, ""))))
        .unwrap_or_default();
    match area {
        "tasks" if reads => Need::Scope(TokenScope::TasksRead),
        "tasks" => Need::Scope(TokenScope::TasksWrite),
        "repositories" if reads => Need::Scope(TokenScope::TasksRead),
        "users" | "audit" => Need::Scope(TokenScope::Admin),
        "me" if reads => Need::Nothing,
        _ => Need::Session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_closed() {
        let needs = |method: Method, route| need(&method, route);
        let read = Need::Scope(TokenScope::TasksRead);
        let write = Need::Scope(TokenScope::TasksWrite);
        assert_eq!(needs(Method::GET, "/api/tasks"), read);
        assert_eq!(needs(Method::HEAD, "/api/tasks/{id}/log"), read);
        assert_eq!(needs(Method::POST, "/api/tasks"), write);
        assert_eq!(needs(Method::DELETE, "/api/tasks/{id}"), write);
        assert_eq!(needs(Method::GET, "/api/me"), Need::Nothing);
        for (method, route) in [
            (Method::POST, "/api/me/password"),
            (Method::GET, "/api/tokens"),
            (Method::POST, "/api/repositories"),
            (Method::GET, "/api/tasksandmore"),
            (Method::GET, "/api/new"),
            (Method::GET, "/api"),
            (Method::GET, ""),
        ] {
            assert_eq!(needs(method, route), Need::Session, "{route}");
        }
    }
}
