//! A Kubernetes API that fails on demand, between the client of a gateway and the real one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

/// Switches for faults. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    switches: Arc<Switches>,
}

#[derive(Debug, Default)]
struct Switches {
    away: AtomicBool,
    deaf_after_create: AtomicBool,
    held_before_create: AtomicBool,
    unanswered: AtomicUsize,
}

impl Faults {
    /// Whether every new request fails.
    pub fn set_away(&self, away: bool) {
        self.switches.away.store(away, Ordering::SeqCst);
    }

    /// Whether creations happen and their answers never arrive.
    pub fn lose_answers_of_creations(&self, lose: bool) {
        self.switches
            .deaf_after_create
            .store(lose, Ordering::SeqCst);
    }

    /// Whether creations never arrive.
    pub fn hold_creations(&self, hold: bool) {
        self.switches
            .held_before_create
            .store(hold, Ordering::SeqCst);
    }

    /// How many creations were begun and have no answer.
    pub fn unanswered(&self) -> usize {
        self.switches.unanswered.load(Ordering::SeqCst)
    }
}

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty {
            inner,
            switches: Arc::clone(&self.switches),
        }
    }
}

/// The service that fails.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    switches: Arc<Switches>,
}

impl<S, B> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let switches = Arc::clone(&self.switches);
        if switches.away.load(Ordering::SeqCst) {
            return Box::pin(async { Err("the test says that Kubernetes is away".into()) });
        }
        let is_creation = request.method() == Method::POST;
        if is_creation && switches.held_before_create.load(Ordering::SeqCst) {
            switches.unanswered.fetch_add(1, Ordering::SeqCst);
            return Box::pin(std::future::pending());
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if is_creation && switches.deaf_after_create.load(Ordering::SeqCst) {
                switches.unanswered.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}
