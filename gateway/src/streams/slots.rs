//! How many streams may be open, for each user and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Counts open streams. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Slots {
    counts: Arc<Mutex<Counts>>,
    per_user: usize,
    total: usize,
}

#[derive(Debug, Default)]
struct Counts {
    users: HashMap<Uuid, usize>,
    total: usize,
}

/// One stream that is open; another may be when this is dropped.
#[derive(Debug)]
pub struct Slot {
    counts: Arc<Mutex<Counts>>,
    user: Uuid,
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The user has as many as a user may.
    #[error("you have {0} streams open, as many as one user may; close some and try again")]
    User(usize),
    /// The gateway has as many as it may.
    #[error("the gateway has {0} streams open, as many as it may; try again soon")]
    Total(usize),
}

impl Slots {
    /// Allows `per_user` streams for each user and `total` in all.
    #[must_use]
    pub fn new(per_user: usize, total: usize) -> Self {
        Self {
            counts: Arc::default(),
            per_user,
            total,
        }
    }

    /// Takes a slot.
    ///
    /// # Errors
    /// [`Refused`] says which limit is reached.
    pub fn take(&self, user: Uuid) -> Result<Slot, Refused> {
        let mut counts = lock(&self.counts);
        if counts.total >= self.total {
            return Err(Refused::Total(self.total));
        }
        let count = counts.users.entry(user).or_default();
        if *count >= self.per_user {
            // A limit of zero would leave an entry behind.
            if *count == 0 {
                counts.users.remove(&user);
            }
            return Err(Refused::User(self.per_user));
        }
        *count += 1;
        counts.total += 1;
        Ok(Slot {
            counts: Arc::clone(&self.counts),
            user,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.total -= 1;
        if let Some(count) = counts.users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.users.remove(&self.user);
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> std::sync::MutexGuard<'_, Counts> {
    // Nothing in here panics between two changes that belong together.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_limited_and_come_back() {
        let slots = Slots::new(2, 3);
        let (ada, bob) = (Uuid::now_v7(), Uuid::now_v7());
        let first = slots.take(ada).unwrap();
        let _second = slots.take(ada).unwrap();
        assert_eq!(slots.take(ada).unwrap_err(), Refused::User(2));
        let third = slots.take(bob).unwrap();
        assert_eq!(slots.take(bob).unwrap_err(), Refused::Total(3));
        drop(third);
        drop(first);
        let _again = slots.take(ada).unwrap();
        let counts = lock(&slots.counts);
        assert_eq!((counts.total, counts.users.len()), (2, 1));
    }
}
