//! Objects and their recent history in memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::{Expect, StoreError};

/// History is also kept only up to this many bytes, so that large objects cannot fill the memory.
const MAX_EVENT_BYTES: usize = 64 << 20;

/// Names an object within its collection. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key that an object's own metadata names.
    pub fn of(value: &Value) -> Self {
        let text = |p: &str| value.pointer(p).and_then(Value::as_str).unwrap_or("");
        Self::new(text("/metadata/namespace"), text("/metadata/name"))
    }
}

/// One version of an object.
#[derive(Debug)]
pub struct Stored {
    /// The object, in its storage version.
    pub value: Value,
    /// The same as JSON, encoded once for all readers.
    pub json: Bytes,
    /// The revision of the write that made it.
    pub rv: u64,
}

/// One change of a collection.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was there before, nothing for a creation.
    pub prev: Option<Arc<Stored>>,
    /// What is there now; for a removal the last state with the revision of the removal.
    pub object: Arc<Stored>,
    /// Whether the object is gone.
    pub removed: bool,
}

pub(super) enum Write {
    Put(Value),
    Remove(Value),
}

/// What a write did, for the log.
pub(super) struct Applied {
    pub(super) collection: Arc<str>,
    pub(super) removed: bool,
    pub(super) stored: Arc<Stored>,
    pub(super) published: watch::Sender<u64>,
}

#[derive(Debug)]
struct Collection {
    name: Arc<str>,
    objects: BTreeMap<Key, Arc<Stored>>,
    events: VecDeque<Event>,
    history: usize,
    event_bytes: usize,
    /// Everything after this revision is in `events`.
    floor: u64,
    published: watch::Sender<u64>,
}

/// Everything in memory.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rv: u64,
    /// The revision of the snapshot that we started from: nothing is known of changes before it.
    base: u64,
    /// How many events each collection keeps.
    history: usize,
    collections: BTreeMap<Arc<str>, Collection>,
}

impl State {
    pub(super) fn new(base: u64, history: usize) -> Self {
        Self {
            rv: base,
            base,
            history,
            collections: BTreeMap::new(),
        }
    }

    fn collection(&mut self, name: &str) -> &mut Collection {
        if !self.collections.contains_key(name) {
            let name: Arc<str> = Arc::from(name);
            let collection = Collection {
                name: Arc::clone(&name),
                objects: BTreeMap::new(),
                events: VecDeque::new(),
                history: self.history,
                event_bytes: 0,
                floor: self.base,
                published: watch::Sender::new(0),
            };
            self.collections.insert(Arc::clone(&name), collection);
        }
        self.collections
            .get_mut(name)
            .expect("the collection was inserted above")
    }

    pub(super) fn get(&self, collection: &str, key: &Key) -> Option<Arc<Stored>> {
        self.collections.get(collection)?.objects.get(key).cloned()
    }

    pub(super) fn list(&self, collection: &str, namespace: Option<&str>) -> Vec<Arc<Stored>> {
        self.collections
            .get(collection)
            .map(|c| {
                range(&c.objects, namespace)
                    .map(|(_, o)| Arc::clone(o))
                    .collect()
            })
            .unwrap_or_default()
    }

    /// Goes back in time by undoing the events after `rv`.
    pub(super) fn list_at(
        &self,
        collection: &str,
        namespace: Option<&str>,
        rv: u64,
    ) -> Result<Vec<Arc<Stored>>, StoreError> {
        self.check_future(rv)?;
        let Some(c) = self.collections.get(collection) else {
            return Ok(Vec::new());
        };
        c.check_floor(rv)?;
        if c.events.back().is_none_or(|e| e.object.rv <= rv) {
            return Ok(self.list(collection, namespace));
        }
        let mut objects: BTreeMap<Key, Arc<Stored>> = range(&c.objects, namespace)
            .map(|(k, o)| (k.clone(), Arc::clone(o)))
            .collect();
        for event in c.events.iter().rev().take_while(|e| e.object.rv > rv) {
            let key = Key::of(&event.object.value);
            if namespace.is_some_and(|ns| ns != key.namespace) {
                continue;
            }
            match &event.prev {
                Some(prev) => objects.insert(key, Arc::clone(prev)),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }

    fn check_future(&self, rv: u64) -> Result<(), StoreError> {
        if rv > self.rv {
            return Err(StoreError::Future {
                requested: rv,
                current: self.rv,
            });
        }
        Ok(())
    }

    pub(super) fn apply(
        &mut self,
        collection: &str,
        key: &Key,
        expect: Expect,
        write: Write,
    ) -> Result<Applied, StoreError> {
        let rv = self.rv + 1;
        let c = self.collection(collection);
        let prev = c.objects.get(key).cloned();
        match (expect, &prev) {
            (Expect::Absent, None) => {}
            (Expect::Version(version), Some(prev)) if prev.rv == version => {}
            _ => return Err(StoreError::Conflict),
        }
        let (mut value, removed) = match write {
            Write::Put(value) => (value, false),
            Write::Remove(value) => (value, true),
        };
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.insert("resourceVersion".into(), Value::String(rv.to_string()));
        }
        let json = serde_json::to_vec(&value).map_err(|e| StoreError::Disk(e.to_string()))?;
        let stored = Arc::new(Stored {
            value,
            json: json.into(),
            rv,
        });
        c.record(key.clone(), prev, Arc::clone(&stored), removed);
        let applied = Applied {
            collection: Arc::clone(&c.name),
            removed,
            stored,
            published: c.published.clone(),
        };
        self.rv = rv;
        Ok(applied)
    }

    /// Puts a record of the log back; records arrive in revision order.
    pub(super) fn replay(&mut self, collection: &str, removed: bool, stored: Stored) {
        let rv = stored.rv;
        let key = Key::of(&stored.value);
        let c = self.collection(collection);
        let prev = c.objects.get(&key).cloned();
        c.record(key, prev, Arc::new(stored), removed);
        c.published.send_replace(rv);
        self.rv = self.rv.max(rv);
    }

    /// Puts an object of a snapshot back: it has no history.
    pub(super) fn restore(&mut self, collection: &str, stored: Stored) {
        let key = Key::of(&stored.value);
        self.collection(collection)
            .objects
            .insert(key, Arc::new(stored));
    }

    pub(super) fn subscribe(
        &mut self,
        collection: &str,
        since: u64,
    ) -> Result<watch::Receiver<u64>, StoreError> {
        self.check_future(since)?;
        let c = self.collection(collection);
        c.check_floor(since)?;
        Ok(c.published.subscribe())
    }

    pub(super) fn events(
        &self,
        collection: &str,
        after: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let Some(c) = self.collections.get(collection) else {
            return Ok(Vec::new());
        };
        c.check_floor(after)?;
        let start = c.events.partition_point(|e| e.object.rv <= after);
        Ok(c.events
            .range(start..)
            .take_while(|e| e.object.rv <= until)
            .take(limit)
            .cloned()
            .collect())
    }

    pub(super) fn collection_names(&self) -> Vec<Arc<str>> {
        self.collections.keys().cloned().collect()
    }

    /// Every object, for a snapshot.
    pub(super) fn objects(&self) -> Vec<(Arc<str>, Arc<Stored>)> {
        self.collections
            .values()
            .flat_map(|c| {
                c.objects
                    .values()
                    .map(|o| (Arc::clone(&c.name), Arc::clone(o)))
            })
            .collect()
    }
}

impl Collection {
    fn check_floor(&self, rv: u64) -> Result<(), StoreError> {
        if rv < self.floor {
            return Err(StoreError::Expired {
                requested: rv,
                oldest: self.floor,
            });
        }
        Ok(())
    }

    fn record(&mut self, key: Key, prev: Option<Arc<Stored>>, object: Arc<Stored>, removed: bool) {
        if removed {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key, Arc::clone(&object));
        }
        self.event_bytes += object.json.len();
        self.events.push_back(Event {
            prev,
            object,
            removed,
        });
        while self.events.len() > self.history
            || (self.event_bytes > MAX_EVENT_BYTES && self.events.len() > 1)
        {
            if let Some(old) = self.events.pop_front() {
                self.event_bytes -= old.object.json.len();
                self.floor = old.object.rv;
            }
        }
    }
}

fn range<'a>(
    objects: &'a BTreeMap<Key, Arc<Stored>>,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Stored>)> {
    let start = match namespace {
        Some(ns) => Bound::Included(Key::new(ns, "")),
        None => Bound::Unbounded,
    };
    objects
        .range((start, Bound::Unbounded))
        .take_while(move |(k, _)| namespace.is_none_or(|ns| k.namespace == ns))
}
