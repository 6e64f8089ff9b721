//! The queue: keeps track of who waits, decides whose turn it is, and wakes the tasks for which something changed.
//!
//! Decisions are made in one place and recorded by the pass over each task. What runs is counted from the recorded
//! statuses, so a new operator counts right from the start; decisions that are not recorded yet count as well.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use codex_crds::CodexTask;
use jiff::Timestamp;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::{Notify, watch};

use crate::domain::admission::{Blocked, Limits, UserState, Waiting, plan};
use crate::follow::Wake;
use crate::observe;

/// Decisions come at most this often; the first of a burst comes at once.
const PAUSE: Duration = Duration::from_millis(5);
/// Up to this place every step is shown. Those behind are shown when they have changed by a quarter, and at most once in
/// [`FAR_PAUSE`]: with a thousand tasks waiting, every end of a task would else cause a thousand writes, and each task as many as there
/// were tasks before it.
const NEAR: usize = 20;
const FAR_PAUSE: Duration = Duration::from_secs(5);

/// What was decided about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing yet.
    Open,
    /// It waits.
    Waiting {
        /// Its place, from 1.
        position: usize,
        /// What it waits for.
        blocked: Blocked,
    },
    /// It has its turn.
    Admitted,
}

/// The queue.
#[derive(Default)]
pub struct Admission {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Default)]
struct Entries {
    waiting: HashMap<String, Entry>,
    /// Turns that no status shows yet, with their users.
    admitted: HashMap<String, String>,
    /// Finer than the whole seconds in the statuses.
    last_turn: HashMap<String, i64>,
}

struct Entry {
    task: Waiting,
    reference: ObjectRef<CodexTask>,
    decision: Decision,
    decided_at: Instant,
}

impl Admission {
    /// Puts a task into the queue.
    pub fn enter(&self, task: Waiting, reference: ObjectRef<CodexTask>) {
        self.lock()
            .waiting
            .entry(task.id.clone())
            .or_insert_with(|| Entry {
                task,
                reference,
                decision: Decision::Open,
                decided_at: Instant::now(),
            });
        self.changed.notify_one();
    }

    /// What was decided about the task with this UID; `None` when it has not entered.
    #[must_use]
    pub fn decision(&self, uid: &str) -> Option<Decision> {
        let entries = self.lock();
        if entries.admitted.contains_key(uid) {
            return Some(Decision::Admitted);
        }
        entries.waiting.get(uid).map(|entry| entry.decision)
    }

    /// Looks again, because a task has changed.
    pub fn poke(&self) {
        self.changed.notify_one();
    }

    /// How many tasks wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Decides for as long as the operator runs.
    ///
    /// While there is `pressure` on the stores of logs, nobody gets a turn.
    pub async fn run(
        &self,
        tasks: Store<CodexTask>,
        limits: Limits,
        mut pressure: watch::Receiver<bool>,
        wake: Wake,
    ) {
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                Ok(()) = pressure.changed() => {}
            }
            let mut look_again = true;
            while look_again {
                let is_paused = *pressure.borrow_and_update();
                let (concerned, withheld) = self.decide(&tasks, limits, is_paused);
                for reference in concerned {
                    if wake.send(reference).await.is_err() {
                        return;
                    }
                }
                if withheld {
                    tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep(FAR_PAUSE) => {}
                    }
                }
                look_again = withheld;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Decides once. Answers with the tasks whose decision changed, and whether changes of places far behind were withheld.
    fn decide(
        &self,
        tasks: &Store<CodexTask>,
        mut limits: Limits,
        is_paused: bool,
    ) -> (Vec<ObjectRef<CodexTask>>, bool) {
        if is_paused {
            limits.global = 0;
        }
        let mut users: HashMap<String, UserState> = HashMap::new();
        let mut present = HashSet::new();
        let mut entries = self.lock();
        for task in tasks.state() {
            let Some(uid) = task.metadata.uid.clone() else {
                continue;
            };
            let user = user_of(&task);
            let turn = observe::admitted_at(&task);
            if let Some(turn) = turn {
                let state = users.entry(user.clone()).or_default();
                state.last_turn = state.last_turn.max(Some(turn.as_microsecond()));
                entries.admitted.remove(&uid);
            }
            let is_final = task.phase().is_final();
            if is_final {
                entries.admitted.remove(&uid);
            }
            if is_final || turn.is_some() || observe::intent(&task).is_some() {
                entries.waiting.remove(&uid);
            }
            if !is_final && turn.is_some() {
                users.entry(user).or_default().running += 1;
            }
            present.insert(uid);
        }
        entries.waiting.retain(|uid, _| present.contains(uid));
        entries.admitted.retain(|uid, _| present.contains(uid));
        let Entries {
            waiting,
            admitted,
            last_turn,
        } = &mut *entries;
        for user in admitted.values() {
            users.entry(user.clone()).or_default().running += 1;
        }
        last_turn.retain(|user, _| users.contains_key(user));
        for (user, turn) in &*last_turn {
            let state = users.entry(user.clone()).or_default();
            state.last_turn = state.last_turn.max(Some(*turn));
        }

        let list: Vec<Waiting> = waiting.values().map(|entry| entry.task.clone()).collect();
        let now = Timestamp::now().as_microsecond();
        let plan = plan(&list, &users, limits, now);
        let mut concerned = Vec::new();
        for (at, uid) in plan.admitted.iter().enumerate() {
            if let Some(entry) = waiting.remove(uid) {
                let turn = now.saturating_add(i64::try_from(at).unwrap_or(i64::MAX));
                last_turn.insert(entry.task.user.clone(), turn);
                admitted.insert(uid.clone(), entry.task.user);
                concerned.push(entry.reference);
            }
        }
        let mut withheld = false;
        for place in &plan.queued {
            let Some(entry) = waiting.get_mut(&place.id) else {
                continue;
            };
            let decision = Decision::Waiting {
                position: place.position,
                blocked: if is_paused {
                    Blocked::Storage
                } else {
                    place.blocked
                },
            };
            if !is_news(entry.decision, decision) {
                continue;
            }
            let is_far = place.position > NEAR && entry.decision != Decision::Open;
            if is_far && entry.decided_at.elapsed() < FAR_PAUSE {
                withheld = true;
                continue;
            }
            entry.decision = decision;
            entry.decided_at = Instant::now();
            concerned.push(entry.reference.clone());
        }
        (concerned, withheld)
    }

    /// A panic elsewhere leaves the maps whole, so a poisoned lock is still usable.
    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a decision differs enough from the one before to be shown.
fn is_news(before: Decision, now: Decision) -> bool {
    match (before, now) {
        (
            Decision::Waiting {
                position: shown,
                blocked: was,
            },
            Decision::Waiting { position, blocked },
        ) if was == blocked && position > NEAR => position.abs_diff(shown) * 4 >= shown,
        _ => before != now,
    }
}

/// Whose task it is; tasks without a user share one place in the queue.
#[must_use]
pub fn user_of(task: &CodexTask) -> String {
    task.spec.user.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(position: usize) -> Decision {
        Decision::Waiting {
            position,
            blocked: Blocked::Global,
        }
    }

    /// How often the place of a task is written while all before it go one by one.
    fn writes(from: usize) -> usize {
        let mut shown = Decision::Open;
        (1..=from)
            .rev()
            .filter(|place| {
                let is_news = is_news(shown, waiting(*place));
                if is_news {
                    shown = waiting(*place);
                }
                is_news
            })
            .count()
    }

    #[test]
    fn a_long_queue_costs_each_task_few_writes() {
        assert_eq!(writes(NEAR), NEAR, "near the front every step is shown");
        assert!(writes(1_000) <= NEAR + 15, "{}", writes(1_000));
        assert!(writes(5_000) <= NEAR + 21, "{}", writes(5_000));
        assert!(writes(100_000) <= NEAR + 31, "{}", writes(100_000));
    }

    #[test]
    fn what_it_waits_for_is_always_news() {
        let paused = Decision::Waiting {
            position: 500,
            blocked: Blocked::Storage,
        };
        assert!(is_news(waiting(500), paused));
        assert!(!is_news(paused, paused));
        assert!(!is_news(waiting(500), waiting(490)));
        assert!(is_news(waiting(500), waiting(625)), "others went first");
        assert!(is_news(waiting(500), Decision::Admitted));
    }
}
