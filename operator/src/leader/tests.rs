//! Candidates, an API that holds one Lease, and a clock that the tests move.

use std::cell::Cell;
use std::convert::Infallible;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const DURATION: Duration = Duration::from_secs(15);

thread_local! {
    /// How far the clock of this test is ahead.
    static AHEAD: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

pub(super) fn now() -> Instant {
    Instant::now() + AHEAD.get()
}

fn pass(time: Duration) {
    AHEAD.set(AHEAD.get() + time);
}

/// The API server: one Lease, with versions.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    requests: u64,
    /// Whom it does not answer.
    away_for: Option<&'static str>,
    /// Somebody else writes between the reading and the writing of whoever comes next.
    meddle: bool,
}

impl Server {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn client(&self, identity: &'static str) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let is_away = server.lock().away_for == Some(identity);
                if is_away {
                    std::future::pending::<()>().await;
                }
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let (status, answer) = server.answer(&parts.method, &body);
                let response = Response::builder()
                    .status(status)
                    .body(Body::from(answer.to_string().into_bytes()))
                    .unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let mut state = self.lock();
        state.requests += 1;
        if *method == Method::GET {
            let answer = state.lease.clone();
            if std::mem::take(&mut state.meddle) {
                let lease = state.lease.clone().unwrap_or_default();
                state.store(lease);
            }
            return answer.map_or_else(
                || refuse(StatusCode::NOT_FOUND),
                |lease| (StatusCode::OK, lease),
            );
        }
        let lease: Value = serde_json::from_slice(body).unwrap();
        let found = state
            .lease
            .as_ref()
            .map(|lease| lease["metadata"]["resourceVersion"].clone());
        let expected = lease["metadata"].get("resourceVersion").cloned();
        if found != expected {
            return refuse(StatusCode::CONFLICT);
        }
        (StatusCode::OK, state.store(lease))
    }

    fn candidate(&self, identity: &'static str) -> Election {
        let options = LeaseOptions {
            name: "codex-operator".into(),
            identity: identity.into(),
            duration: DURATION,
        };
        let client = self.client(identity);
        Election::new(client, "tasks", options, Leadership::none())
    }

    fn spec(&self) -> Value {
        self.lock().lease.as_ref().unwrap()["spec"].clone()
    }

    /// As `kubectl edit` does.
    fn give_to(&self, holder: &str) {
        let mut state = self.lock();
        let mut lease = state.lease.clone().unwrap();
        lease["spec"]["holderIdentity"] = holder.into();
        state.store(lease);
    }
}

impl State {
    fn store(&mut self, mut lease: Value) -> Value {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.lease = Some(lease.clone());
        lease
    }
}

fn refuse(code: StatusCode) -> (StatusCode, Value) {
    let reason = if code == StatusCode::CONFLICT {
        "Conflict"
    } else {
        "NotFound"
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "reason": reason, "message": reason, "code": code.as_u16(),
    });
    (code, status)
}

#[tokio::test]
async fn one_works_and_the_other_stands_by_until_the_first_has_been_silent_for_long_enough() {
    let server = Server::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    assert!(first.try_once().await && first.leadership.holds());
    assert!(!second.try_once().await && !second.leadership.holds());
    // The first dies. What it promised to the others is more than what it allowed itself.
    pass(DURATION * 2 / 3);
    assert!(!first.leadership.holds());
    assert!(!second.try_once().await);
    pass(DURATION / 3);
    assert!(second.try_once().await);
    assert_eq!(server.spec()["holderIdentity"], "b");
    assert_eq!(server.spec()["leaseTransitions"], 2);
}

#[tokio::test]
async fn a_holder_that_gives_signs_of_life_keeps_the_lease() {
    let server = Server::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    assert!(first.try_once().await);
    for _ in 0..20 {
        pass(DURATION / 2);
        assert!(first.leadership.holds() && !second.try_once().await);
        assert_eq!(first.renew().await.unwrap(), Try::Held);
    }
    assert_eq!(server.spec()["leaseTransitions"], 1);
}

#[tokio::test]
async fn the_same_name_goes_on_at_once_after_a_restart() {
    let server = Server::default();
    assert!(server.candidate("a").try_once().await);
    assert!(server.candidate("a").try_once().await);
    assert_eq!(server.spec()["leaseTransitions"], 1);
}

#[tokio::test]
async fn a_holder_that_cannot_reach_the_api_stops_before_anybody_else_begins() {
    let server = Server::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    for candidate in [&mut first, &mut second] {
        candidate.options.duration = Duration::from_secs(3);
    }
    assert!(first.try_once().await && !second.try_once().await);
    let leadership = first.leadership.clone();
    server.lock().away_for = Some("a");
    let keeping = tokio::spawn(first.keep());
    second.acquire().await;
    assert!(!leadership.holds() && keeping.is_finished());
}

#[tokio::test]
async fn a_lease_that_is_taken_away_is_not_taken_back() {
    for holder in ["b", ""] {
        let server = Server::default();
        let mut first = server.candidate("a");
        first.options.duration = Duration::from_secs(3);
        assert!(first.try_once().await);
        let leadership = first.leadership.clone();
        server.give_to(holder);
        first.keep().await;
        assert!(!leadership.holds());
        assert_eq!(server.spec()["holderIdentity"], holder);
    }
}

#[tokio::test]
async fn somebody_elses_write_in_between_costs_a_try_and_not_the_lease() {
    let server = Server::default();
    let mut first = server.candidate("a");
    assert!(first.try_once().await);
    pass(DURATION / 2);
    // It has read anew because of the first, and the second comes after that.
    server.give_to("a");
    server.lock().meddle = true;
    assert!(first.renew().await.is_err() && first.leadership.holds());
    assert_eq!(first.renew().await.unwrap(), Try::Held);
    pass(DURATION / 2);
    assert!(first.leadership.holds());
}

#[tokio::test]
async fn a_renewal_is_one_request() {
    let server = Server::default();
    let mut first = server.candidate("a");
    assert!(first.try_once().await);
    for _ in 0..3 {
        let before = server.lock().requests;
        assert_eq!(first.renew().await.unwrap(), Try::Held);
        assert_eq!(server.lock().requests, before + 1);
    }
}

#[tokio::test]
async fn of_two_candidates_one_gets_it() {
    let server = Server::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    server.lock().meddle = true;
    assert!(!first.try_once().await, "its write came second");
    // The record is nobody's, so it is free.
    let both = [first.try_once().await, second.try_once().await];
    assert_eq!(both, [true, false]);
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_free_at_once_and_somebody_elses_stays() {
    let server = Server::default();
    let (mut first, mut second) = (server.candidate("a"), server.candidate("b"));
    assert!(first.try_once().await);
    release(server.client("b"), "tasks", &second.options).await;
    assert!(!second.try_once().await);
    release(server.client("a"), "tasks", &first.options).await;
    assert!(second.try_once().await);
}

/// As when every worker of the operator is busy: nothing else runs on this runtime while the test waits.
#[tokio::test]
async fn the_lease_is_renewed_while_the_runtime_of_the_operator_has_no_time() {
    let server = Server::default();
    let mut first = server.candidate("a");
    first.options.duration = Duration::from_secs(3);
    assert!(first.try_once().await);
    let leadership = first.leadership.clone();
    let api = server.clone();
    let keeping = tokio::spawn(first.keep_apart(move || Ok(api.client("a"))));
    tokio::task::yield_now().await;
    let before = server.lock().requests;
    let late = std::time::Instant::now() + Duration::from_secs(60);
    while server.lock().requests < before + 4 {
        assert!(std::time::Instant::now() < late, "it was not renewed");
        std::thread::sleep(Duration::from_millis(5));
    }

    // Whoever drops it has ended the thread too, and the Lease runs out.
    keeping.abort();
    assert!(keeping.await.is_err());
    let late = std::time::Instant::now() + Duration::from_secs(60);
    while leadership.holds() {
        assert!(std::time::Instant::now() < late, "it is still renewed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
