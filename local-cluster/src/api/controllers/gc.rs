//! The garbage collector: objects go when their owners are gone, by UID.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::RETRY;
use super::feed::{Change, Feed};
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{
    finalizers, is_deleting, list, metadata_mut, remove_finalizer, text, uid,
};
use crate::api::request::Propagation;
use crate::api::resources::Resource;
use crate::api::store::{Event, Key, Stored};
use crate::api::write::{FOREGROUND, ORPHAN, Part, Target};

/// An object by collection and key.
type Place = (Arc<str>, Key);

pub(super) async fn run(api: Arc<Api>) {
    let mut collector = Collector {
        api: Arc::clone(&api),
        dependents: HashMap::new(),
        queue: BTreeSet::new(),
    };
    let mut feed = Feed::new(&api, None);
    while let Some(change) = feed.next().await {
        match change {
            Change::Resync(objects) => collector.rebuild(&objects),
            Change::Events(events) => {
                for (collection, event) in &events {
                    collector.observe(collection, event);
                }
            }
        }
        if let Err(error) = collector.work().await {
            tracing::warn!(%error, "garbage collection failed; trying again");
            feed.reset();
            tokio::select! {
                () = api.shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

struct Collector {
    api: Arc<Api>,
    /// By the UID of the owner.
    dependents: HashMap<String, HashSet<Place>>,
    /// Objects to look at.
    queue: BTreeSet<Place>,
}

/// What an owner reference points at, now.
enum Owner {
    /// It is there.
    Solid,
    /// It is there, and waits for its dependents to go first.
    Waiting,
    /// It is gone, or another object has its name.
    Absent,
    /// Its kind is not served, so nothing can be said.
    Unknown,
}

fn owner_uids(object: &Value) -> impl Iterator<Item = &str> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .map(|o| text(o, "/uid"))
}

impl Collector {
    fn rebuild(&mut self, objects: &[(Arc<str>, Arc<Stored>)]) {
        self.dependents.clear();
        self.queue.clear();
        for (collection, object) in objects {
            self.add(collection, &object.value);
        }
    }

    fn observe(&mut self, collection: &Arc<str>, event: &Event) {
        if let Some(prev) = &event.prev {
            let place = (Arc::clone(collection), Key::of(&prev.value));
            for owner in owner_uids(&prev.value) {
                if let Some(places) = self.dependents.get_mut(owner) {
                    places.remove(&place);
                    if places.is_empty() {
                        self.dependents.remove(owner);
                    }
                }
            }
        }
        let object = &event.object.value;
        if !event.removed {
            self.add(collection, object);
            return;
        }
        if let Some(places) = self.dependents.get(uid(object)) {
            self.queue.extend(places.iter().cloned());
        }
        // An owner in foreground deletion may have waited for this one.
        for reference in list(object, "/metadata/ownerReferences") {
            if let Some((owner, key)) = self.locate(object, reference) {
                self.queue
                    .insert((Arc::from(owner.collection.as_str()), key));
            }
        }
    }

    fn add(&mut self, collection: &Arc<str>, object: &Value) {
        let place = (Arc::clone(collection), Key::of(object));
        let mut owned = false;
        for owner in owner_uids(object) {
            self.dependents
                .entry(owner.to_owned())
                .or_default()
                .insert(place.clone());
            owned = true;
        }
        let held = finalizers(object)
            .iter()
            .any(|f| matches!(*f, FOREGROUND | ORPHAN));
        if owned || (held && is_deleting(object)) {
            self.queue.insert(place);
        }
    }

    async fn work(&mut self) -> Result<(), ApiError> {
        while let Some(place) = self.queue.pop_first() {
            self.look_at(&place).await?;
        }
        Ok(())
    }

    async fn look_at(&mut self, place: &Place) -> Result<(), ApiError> {
        let (collection, key) = place;
        let Some(live) = self.api.store.get(collection, key) else {
            return Ok(());
        };
        let served = self.api.catalog.served();
        let Some(resource) = served.by_collection(collection) else {
            return Ok(());
        };
        let target = Target::new(&resource, &key.namespace, &key.name, Part::Internal);
        if is_deleting(&live.value) {
            let held = finalizers(&live.value);
            if held.contains(&ORPHAN) {
                self.orphan_dependents(&target, uid(&live.value)).await?;
            } else if held.contains(&FOREGROUND) {
                self.await_dependents(&target, uid(&live.value)).await?;
            }
            return Ok(());
        }
        self.collect(&target, &live.value).await
    }

    /// Deletes an object whose owners are all gone; forgets the owners that are gone.
    async fn collect(&self, target: &Target, object: &Value) -> Result<(), ApiError> {
        let references = list(object, "/metadata/ownerReferences");
        let mut absent = Vec::new();
        let (mut solid, mut waiting) = (false, false);
        for reference in references {
            match self.owner(object, reference) {
                Owner::Solid | Owner::Unknown => solid = true,
                Owner::Waiting => waiting = true,
                Owner::Absent => absent.push(text(reference, "/uid").to_owned()),
            }
        }
        if solid {
            if absent.is_empty() && !waiting {
                return Ok(());
            }
            return self.forget_owners(target, &absent).await;
        }
        if absent.is_empty() && !waiting {
            return Ok(());
        }
        // In a foreground deletion the dependents of dependents go first, too.
        let deep = waiting
            && self
                .dependents
                .get(uid(object))
                .is_some_and(|d| !d.is_empty());
        let propagation = if deep {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        tracing::debug!(resource = %target.resource.plural, name = %target.key.name, "collecting");
        self.api
            .delete_internal(target, uid(object), Some(propagation))
            .await
    }

    async fn forget_owners(&self, target: &Target, uids: &[String]) -> Result<(), ApiError> {
        if uids.is_empty() {
            return Ok(());
        }
        let edit = |object: &mut Value| {
            if let Some(references) = metadata_mut(object)
                .get_mut("ownerReferences")
                .and_then(Value::as_array_mut)
            {
                references.retain(|r| !uids.iter().any(|u| u == text(r, "/uid")));
            }
            Ok(())
        };
        ignore_missing(self.api.edit(target, edit).await)
    }

    async fn orphan_dependents(&self, owner: &Target, owner_uid: &str) -> Result<(), ApiError> {
        for (dependent, _) in self.dependents_of(owner_uid) {
            self.forget_owners(&dependent, &[owner_uid.to_owned()])
                .await?;
        }
        self.release(owner, ORPHAN).await
    }

    async fn await_dependents(&self, owner: &Target, owner_uid: &str) -> Result<(), ApiError> {
        let mut blocked = false;
        for (dependent, object) in self.dependents_of(owner_uid) {
            if !is_deleting(&object.value) {
                self.collect(&dependent, &object.value).await?;
            }
            let live = self
                .api
                .store
                .get(&dependent.resource.collection, &dependent.key);
            blocked |= live.is_some_and(|o| {
                list(&o.value, "/metadata/ownerReferences").iter().any(|r| {
                    text(r, "/uid") == owner_uid && r["blockOwnerDeletion"] == Value::Bool(true)
                })
            });
        }
        if blocked {
            // The removal of each dependent brings the owner back into the queue.
            return Ok(());
        }
        self.release(owner, FOREGROUND).await
    }

    async fn release(&self, target: &Target, finalizer: &str) -> Result<(), ApiError> {
        let edit = |object: &mut Value| {
            remove_finalizer(object, finalizer);
            Ok(())
        };
        ignore_missing(self.api.edit(target, edit).await)
    }

    fn dependents_of(&self, owner_uid: &str) -> Vec<(Target, Arc<Stored>)> {
        let served = self.api.catalog.served();
        self.dependents
            .get(owner_uid)
            .into_iter()
            .flatten()
            .filter_map(|(collection, key)| {
                let object = self.api.store.get(collection, key)?;
                let resource = served.by_collection(collection)?;
                let target = Target::new(&resource, &key.namespace, &key.name, Part::Internal);
                Some((target, object))
            })
            .collect()
    }

    /// Where the owner of a reference would be.
    fn locate(&self, dependent: &Value, reference: &Value) -> Option<(Arc<Resource>, Key)> {
        let api_version = text(reference, "/apiVersion");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let resource = self
            .api
            .catalog
            .served()
            .by_kind(group, text(reference, "/kind"))?;
        let namespace = if resource.namespaced {
            text(dependent, "/metadata/namespace")
        } else {
            ""
        };
        Some((resource, Key::new(namespace, text(reference, "/name"))))
    }

    fn owner(&self, dependent: &Value, reference: &Value) -> Owner {
        let Some((resource, key)) = self.locate(dependent, reference) else {
            return Owner::Unknown;
        };
        match self.api.store.get(&resource.collection, &key) {
            Some(owner) if uid(&owner.value) == text(reference, "/uid") => {
                let foreground = finalizers(&owner.value).contains(&FOREGROUND);
                if is_deleting(&owner.value) && foreground {
                    Owner::Waiting
                } else {
                    Owner::Solid
                }
            }
            _ => Owner::Absent,
        }
    }
}

pub(super) fn ignore_missing<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Ok(_) | Err(ApiError::NotFound(_)) => Ok(()),
        Err(other) => Err(other),
    }
}
