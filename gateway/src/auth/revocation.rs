//! Ends what is still open when somebody may not do it any more.
//!
//! Requests ask the database who somebody is; a stream asks once and stays open for hours. So every open stream is registered here with
//! what it was opened with, and the database tells every gateway when users, sessions or API tokens change. Then, and now and then
//! in any case, because a message may be lost and an API token may run out, all that is open is looked at again, in one statement.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use sqlx::postgres::PgListener;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::app::App;
use crate::database::access::{self, Holder};
use crate::database::{login_attempts, login_codes, refresh_tokens};

/// On which the database tells of changes.
const CHANNEL: &str = "codex_access";
/// How long a change stays unnoticed at most, when the message is lost.
const LOOK: Duration = Duration::from_secs(10);
/// How often what has expired is forgotten.
const CLEAN_UP: Duration = Duration::from_secs(10 * 60);

/// What is open, by who opened it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Openings {
    open: Arc<Mutex<HashMap<Holder, Opening>>>,
}

#[derive(Debug)]
struct Opening {
    end: CancellationToken,
    count: usize,
}

/// Something that is open. It counts until it is dropped.
#[derive(Debug)]
pub struct Pass {
    openings: Openings,
    holder: Holder,
    end: CancellationToken,
}

impl Openings {
    /// Registers something that stays open after the request was answered.
    #[must_use]
    pub fn register(&self, holder: Holder) -> Pass {
        let mut open = self.lock();
        let opening = match open.entry(holder) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Opening {
                end: CancellationToken::new(),
                count: 0,
            }),
        };
        opening.count += 1;
        Pass {
            openings: self.clone(),
            holder,
            end: opening.end.clone(),
        }
    }

    fn holders(&self) -> Vec<Holder> {
        self.lock().keys().copied().collect()
    }

    fn end(&self, holder: &Holder) {
        // The entry goes with the last of its passes; whoever registers meanwhile is ended with it, because they may not either.
        if let Some(opening) = self.lock().get(holder) {
            opening.end.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Holder, Opening>> {
        // Nothing in here panics between two changes that belong together.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Ends when the holder may not go on.
    #[must_use]
    pub fn ended(&self) -> &CancellationToken {
        &self.end
    }

    /// A body that ends when the holder may not go on.
    pub fn limit<B>(self, body: B) -> LimitedBody<B> {
        LimitedBody {
            body: Box::pin(body),
            end: Box::pin(self.end.clone().cancelled_owned()),
            _pass: self,
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.openings.lock();
        if let Some(opening) = open.get_mut(&self.holder) {
            opening.count -= 1;
            if opening.count == 0 {
                open.remove(&self.holder);
            }
        }
    }
}

/// A body that ends early when whoever asked for it may not have it any more.
pub struct LimitedBody<B> {
    body: Pin<Box<B>>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
    _pass: Pass,
}

impl<B: Body> Body for LimitedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        this.body.as_mut().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // It may end earlier than the body thinks.
        SizeHint::default()
    }
}

/// Listens, looks and cleans up until the gateway stops.
pub async fn run(app: Arc<App>) {
    let work = async {
        let mut clean_up = tokio::time::interval(CLEAN_UP);
        let mut listener = None;
        loop {
            if listener.is_none() {
                listener = listen(&app).await;
                // What happened while nobody listened.
                look(&app).await;
            }
            tokio::select! {
                heard = hear(&mut listener) => if !heard {
                    listener = None;
                },
                () = tokio::time::sleep(LOOK) => {}
                _ = clean_up.tick() => forget(&app).await,
            }
            look(&app).await;
        }
    };
    app.shutdown.run_until_cancelled(work).await;
}

/// Waits for a message; `false` when the connection is lost. Without a listener it waits for ever, and the next look tries again.
async fn hear(listener: &mut Option<PgListener>) -> bool {
    match listener {
        Some(listener) => matches!(listener.try_recv().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}

async fn listen(app: &App) -> Option<PgListener> {
    let listening = async {
        let mut listener = PgListener::connect_with(&app.pool).await?;
        listener.listen(CHANNEL).await?;
        Ok::<_, sqlx::Error>(listener)
    };
    listening
        .await
        .inspect_err(
            |error| tracing::debug!(%error, "the database tells of no changes of access now"),
        )
        .ok()
}

async fn look(app: &App) {
    let holders = app.openings.holders();
    if holders.is_empty() {
        return;
    }
    match access::find_ended(&app.pool, &holders).await {
        Ok(ended) => {
            for holder in &ended {
                tracing::info!(user.id = %holder.user_id, "streams end because their user may not have them any more");
                app.openings.end(holder);
            }
        }
        Err(error) => tracing::debug!(%error, "whether streams may go on cannot be looked up"),
    }
}

async fn forget(app: &App) {
    let forgotten = async {
        login_attempts::forget_old(&app.pool).await?;
        login_codes::forget_expired(&app.pool).await?;
        refresh_tokens::forget_expired(&app.pool).await
    };
    if let Err(error) = forgotten.await {
        tracing::debug!(%error, "what has expired is forgotten later");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::access::Credential;
    use uuid::Uuid;

    #[test]
    fn passes_are_counted_and_end_together() {
        let openings = Openings::default();
        let holder = |user_id| Holder {
            user_id,
            is_admin: false,
            credential: Credential::ApiToken(Uuid::nil()),
        };
        let (ada, bob) = (holder(Uuid::now_v7()), holder(Uuid::now_v7()));
        let first = openings.register(ada);
        let second = openings.register(ada);
        let other = openings.register(bob);
        openings.end(&ada);
        assert!(first.ended().is_cancelled() && second.ended().is_cancelled());
        assert!(!other.ended().is_cancelled());
        drop(first);
        assert_eq!(openings.holders().len(), 2);
        drop((second, other));
        assert!(openings.holders().is_empty());
        // Whoever is let in again later begins afresh.
        assert!(!openings.register(ada).ended().is_cancelled());
    }
}
