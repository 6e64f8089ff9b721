//! The allow-list, kept up to date by a watch.

use std::sync::Arc;
use std::time::Duration;

use codex_crds::CodexRepository;
use codex_crds::allow_list::Entry;
use futures::StreamExt as _;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, reflector};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::WatchBackoff;

/// How long a request waits for the first list. A gateway that has just started is a moment away from it.
const FIRST_LIST: Duration = Duration::from_secs(3);

/// The allow-list, as Kubernetes last told it. Clones share it.
#[derive(Clone)]
pub struct Repositories {
    store: reflector::Store<CodexRepository>,
    listed: watch::Receiver<bool>,
}

/// What keeps a [`Repositories`] up to date.
pub struct Feed {
    writer: reflector::store::Writer<CodexRepository>,
    listed: watch::Sender<bool>,
}

impl Repositories {
    /// An empty allow-list, and what fills it.
    #[must_use]
    pub fn new() -> (Self, Feed) {
        let (store, writer) = reflector::store();
        let (sender, listed) = watch::channel(false);
        let feed = Feed {
            writer,
            listed: sender,
        };
        (Self { store, listed }, feed)
    }

    /// Whether the first list has arrived.
    #[must_use]
    pub fn are_listed(&self) -> bool {
        *self.listed.borrow()
    }

    /// Every repository in the order of their names; nothing when the first list does not arrive in time.
    pub async fn all(&self) -> Option<Vec<Arc<CodexRepository>>> {
        let mut listed = self.listed.clone();
        let first = listed.wait_for(|listed| *listed);
        tokio::time::timeout(FIRST_LIST, first).await.ok()?.ok()?;
        let mut all = self.store.state();
        all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Some(all)
    }

    /// The same, as far as the rules for `cwd` need it. A repository that is being deleted takes no new tasks.
    pub async fn entries(&self) -> Option<Vec<Entry>> {
        let all = self.all().await?;
        let alive = all
            .iter()
            .filter(|repository| repository.metadata.deletion_timestamp.is_none());
        Some(alive.map(|repository| Entry::from(&**repository)).collect())
    }
}

impl Feed {
    /// Watches until `shutdown`.
    pub async fn run(mut self, api: Api<CodexRepository>, shutdown: CancellationToken) {
        let events =
            watcher::watcher(api, watcher::Config::default()).backoff(WatchBackoff::default());
        let mut events = std::pin::pin!(events);
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => {
                    let event = event.modify(|repository| {
                        repository.metadata.managed_fields = None;
                    });
                    self.writer.apply_watcher_event(&event);
                    if matches!(event, Event::InitDone) {
                        self.listed.send_replace(true);
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the repositories cannot be watched; trying again");
                }
                None => return,
            }
        }
    }
}
