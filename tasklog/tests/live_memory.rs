//! The live store in memory, used directly and through the hub.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod live;

use std::sync::Arc;

use async_trait::async_trait;
use codex_tasklog::{LiveLimits, LiveLog, LiveLogWriter, MemoryStore, hub};
use live::{Fixture, Start};
use tokio::net::UnixListener;
use tokio_util::sync::{CancellationToken, DropGuard};

mod direct {
    use super::*;

    pub struct Memory(MemoryStore);

    #[async_trait]
    impl Fixture for Memory {
        fn writer(&self) -> Arc<dyn LiveLogWriter> {
            Arc::new(self.0.clone())
        }

        fn reader(&self) -> Arc<dyn LiveLog> {
            Arc::new(self.0.clone())
        }

        async fn wipe(&self, task: &str) {
            self.0.remove(task).await.unwrap();
        }
    }

    #[async_trait]
    impl Start for Memory {
        async fn start(limits: LiveLimits) -> Self {
            Self(MemoryStore::new(limits))
        }
    }

    crate::live_suite!(Memory);
}

mod through_the_hub {
    use super::*;

    pub struct Hub {
        store: MemoryStore,
        folder: tempfile::TempDir,
        served: std::sync::Mutex<DropGuard>,
    }

    impl Hub {
        fn serve(folder: &tempfile::TempDir, store: &MemoryStore) -> DropGuard {
            let socket = folder.path().join("hub.sock");
            let _ = std::fs::remove_file(&socket);
            let listener = UnixListener::bind(socket).unwrap();
            let stop = CancellationToken::new();
            tokio::spawn(hub::serve(listener, Arc::new(store.clone()), stop.clone()));
            stop.drop_guard()
        }
    }

    #[async_trait]
    impl Fixture for Hub {
        fn writer(&self) -> Arc<dyn LiveLogWriter> {
            Arc::new(self.store.clone())
        }

        fn reader(&self) -> Arc<dyn LiveLog> {
            Arc::new(hub::HubClient::new(self.folder.path().join("hub.sock")))
        }

        async fn wipe(&self, task: &str) {
            self.store.remove(task).await.unwrap();
        }

        async fn disturb(&self) {
            *self.served.lock().unwrap() = Self::serve(&self.folder, &self.store);
        }
    }

    #[async_trait]
    impl Start for Hub {
        async fn start(limits: LiveLimits) -> Self {
            let store = MemoryStore::new(limits);
            let folder = tempfile::tempdir().unwrap();
            let served = Self::serve(&folder, &store).into();
            Self {
                store,
                folder,
                served,
            }
        }
    }

    crate::live_suite!(Hub);
}

#[tokio::test]
async fn bytes_are_freed_when_the_last_reader_is_through() {
    let store = MemoryStore::default();
    store.append("task", &live::frames(1..=100)).await.unwrap();
    let reader = store.subscribe("task", 0).await.unwrap();
    assert!(store.bytes() > 100 * 128, "{}", store.bytes());
    store.remove("task").await.unwrap();
    assert!(store.bytes() > 0, "a reader still needs them");
    drop(reader);
    assert_eq!(store.bytes(), 0);
}
