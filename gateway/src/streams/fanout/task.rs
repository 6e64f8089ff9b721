//! What the viewers of one task share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::feed::{Feed, LogEnd};
use super::replay::Replay;
use super::ring::Ring;
use super::{Inner, Pace};
use crate::streams::encode::View;
use crate::tasks::states::History;

/// One task that somebody watches.
pub struct Task {
    /// The id.
    pub id: Uuid,
    /// What all tasks share.
    pub shared: Arc<Inner>,
    /// Tells the driver that viewers came or went.
    pub control: Notify,
    /// Tells every reader of the log whether the archive may be asked.
    pub finished: watch::Sender<bool>,
    /// What is being read of the part that is not in the rings.
    pub replay: Replay,
    state: Mutex<State>,
}

/// The part that changes.
pub struct State {
    /// What the task went through.
    pub history: History,
    /// The newest events, for each view that somebody looks at.
    pub rings: [Option<Ring>; VIEWS],
    /// The views that somebody looks at or looked at.
    pub wanted: [bool; VIEWS],
    /// Set when the rings will not grow any more.
    pub end: Option<LogEnd>,
    /// Counts the heartbeats.
    pub beat: u32,
    /// Users who may not look any more.
    pub shut_out: Vec<Uuid>,
    /// Set when the driver is gone.
    pub is_closed: bool,
    /// How many viewers each user has.
    pub viewers: HashMap<Uuid, usize>,
    waiters: [Waiters; PACES],
}

/// How many views there are.
pub const VIEWS: usize = 2;
/// How many paces there are.
pub const PACES: usize = 2;

impl Task {
    pub(super) fn new(id: Uuid, shared: Arc<Inner>, history: History) -> Self {
        let is_final = history
            .present()
            .is_some_and(|status| status.phase.is_final());
        Self {
            id,
            shared,
            control: Notify::new(),
            finished: watch::Sender::new(is_final),
            replay: Replay::default(),
            state: Mutex::new(State {
                history,
                rings: [None, None],
                wanted: [false; VIEWS],
                end: None,
                beat: 0,
                shut_out: Vec::new(),
                is_closed: false,
                viewers: HashMap::new(),
                waiters: Default::default(),
            }),
        }
    }

    /// The part that changes.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // The driver and the viewers leave the state whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the log after a number, apart from the rings.
    pub fn feed(&self, after: u64) -> Feed {
        let source = self.shared.source.clone();
        Feed::new(
            source,
            self.id.to_string(),
            after,
            self.finished.subscribe(),
        )
    }

    /// Changes the state and wakes all viewers.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut wakers = Vec::new();
        {
            let mut state = self.lock();
            change(&mut state);
            state.wakers(Pace::Fast, &mut wakers);
            state.wakers(Pace::Calm, &mut wakers);
        }
        wake(&mut wakers);
    }
}

impl State {
    /// The ring of a view.
    pub const fn ring(&self, view: View) -> Option<&Ring> {
        self.rings[index(view)].as_ref()
    }

    /// A viewer that waits for news.
    pub fn wait(&mut self, pace: Pace, key: &mut Option<usize>, context: &Context<'_>) {
        self.waiters[pace as usize].wait(key, context);
    }

    /// A viewer that leaves.
    pub fn leave(&mut self, user: Uuid, pace: Pace, key: Option<usize>) {
        self.waiters[pace as usize].leave(key);
        if let Some(count) = self.viewers.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.viewers.remove(&user);
            }
        }
    }

    /// Takes everyone who waits at a pace, to be woken when the lock is released. Answers with how many viewers there are at that pace, those
    /// who are busy among them.
    pub fn wakers(&mut self, pace: Pace, into: &mut Vec<Waker>) -> usize {
        let waiters = &mut self.waiters[pace as usize];
        into.extend(waiters.slots.iter_mut().filter_map(Option::take));
        waiters.slots.len() - waiters.free.len()
    }
}

/// Where a view has its ring.
pub const fn index(view: View) -> usize {
    match view {
        View::Typed => 0,
        View::Raw => 1,
    }
}

/// Wakes everyone, and keeps the memory for the next time.
pub fn wake(wakers: &mut Vec<Waker>) {
    wakers.drain(..).for_each(Waker::wake);
}

/// Those who wait. A list of wakers under the lock of the state is all that a connection costs here; it holds no timer and no queue.
#[derive(Debug, Default)]
struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Waiters {
    fn wait(&mut self, key: &mut Option<usize>, context: &Context<'_>) {
        let key = *key.get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.slots.push(None);
                self.slots.len() - 1
            })
        });
        match &mut self.slots[key] {
            Some(waker) if waker.will_wake(context.waker()) => {}
            slot => *slot = Some(context.waker().clone()),
        }
    }

    fn leave(&mut self, key: Option<usize>) {
        if let Some(key) = key {
            self.slots[key] = None;
            self.free.push(key);
        }
    }
}
