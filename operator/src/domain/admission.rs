//! Whose turn it is: fair between users, first in first out within one.
//!
//! Every user has a tag: the moment of the user's last turn, or the moment at which the user's oldest waiting task was
//! made, whichever is later. The lowest tag has the next turn. Users with many tasks therefore alternate with users who
//! have few, and a stream of new users cannot starve an old one, because their tags only grow.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

/// The bounds on what runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For everybody together.
    pub global: usize,
    /// For each user.
    pub per_user: usize,
}

/// A task that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What identifies it.
    pub id: String,
    /// Its name; it decides between tasks that were made in the same moment. Names made by the gateway grow with time.
    pub name: String,
    /// Whose it is; tasks without a user share one place.
    pub user: String,
    /// When it was made, in microseconds since 1970.
    pub since: i64,
}

/// What is known about a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// How many tasks of the user have their turn now.
    pub running: usize,
    /// When a task of the user last had its turn, in microseconds since 1970.
    pub last_turn: Option<i64>,
}

/// Why a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Its user has as many running tasks as allowed.
    User,
    /// The cluster has.
    Global,
    /// The stores of logs do not take what running tasks write.
    Storage,
}

/// A task's place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What identifies the task.
    pub id: String,
    /// Its place, from 1: the order in which turns would be given if one task ended after the other.
    pub position: usize,
    /// What it waits for.
    pub blocked: Blocked,
}

/// Who has a turn now, and who waits where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The ids of the tasks that have their turn, in order.
    pub admitted: Vec<String>,
    /// The others, in order.
    pub queued: Vec<Place>,
}

/// Decides for all waiting tasks at once. `now` is in microseconds since 1970; the order of the input does not matter.
#[must_use]
pub fn plan(
    waiting: &[Waiting],
    users: &HashMap<String, UserState>,
    limits: Limits,
    now: i64,
) -> Plan {
    let mut running: usize = users.values().map(|user| user.running).sum();
    let mut queues = queues(waiting, users);
    let mut plan = Plan::default();

    let mut turns = Turns::new(&queues, |queue| queue.running < limits.per_user);
    let mut clock = now;
    while running < limits.global {
        let Some(user) = turns.next() else {
            break;
        };
        let Some(queue) = queues.get_mut(user) else {
            break;
        };
        let Some(task) = queue.tasks.pop_front() else {
            continue;
        };
        clock += 1;
        queue.running += 1;
        queue.last_turn = Some(clock);
        running += 1;
        plan.admitted.push(task.id.clone());
        if queue.running < limits.per_user {
            turns.offer(user, queue);
        }
    }

    // The rest is numbered in the order of their turns, as if the limits were gone.
    let blocked: BTreeMap<&str, Blocked> = queues
        .iter()
        .map(|(user, queue)| {
            let blocked = if queue.running >= limits.per_user {
                Blocked::User
            } else {
                Blocked::Global
            };
            (*user, blocked)
        })
        .collect();
    let mut turns = Turns::new(&queues, |_| true);
    while let Some(user) = turns.next() {
        let Some(queue) = queues.get_mut(user) else {
            break;
        };
        let Some(task) = queue.tasks.pop_front() else {
            continue;
        };
        clock += 1;
        queue.last_turn = Some(clock);
        plan.queued.push(Place {
            id: task.id.clone(),
            position: plan.queued.len() + 1,
            blocked: blocked.get(user).copied().unwrap_or(Blocked::Global),
        });
        turns.offer(user, queue);
    }
    plan
}

/// Tag, running tasks and age of the oldest waiting task of a user.
type Rank = (i64, usize, i64);

struct Queue<'a> {
    tasks: VecDeque<&'a Waiting>,
    running: usize,
    last_turn: Option<i64>,
}

impl Queue<'_> {
    /// What decides between users; lower goes first.
    fn rank(&self) -> Option<Rank> {
        let oldest = self.tasks.front()?.since;
        let tag = self.last_turn.map_or(oldest, |turn| turn.max(oldest));
        Some((tag, self.running, oldest))
    }
}

fn queues<'a>(
    waiting: &'a [Waiting],
    users: &HashMap<String, UserState>,
) -> BTreeMap<&'a str, Queue<'a>> {
    let mut sorted: Vec<&Waiting> = waiting.iter().collect();
    sorted.sort_by(|a, b| (a.since, &a.name, &a.id).cmp(&(b.since, &b.name, &b.id)));
    let mut queues: BTreeMap<&str, Queue<'_>> = BTreeMap::new();
    for task in sorted {
        let state = users.get(&task.user).copied().unwrap_or_default();
        queues
            .entry(&task.user)
            .or_insert_with(|| Queue {
                tasks: VecDeque::new(),
                running: state.running,
                last_turn: state.last_turn,
            })
            .tasks
            .push_back(task);
    }
    queues
}

/// The users in the order of their turns. Every user is in it at most once, so ranks never go stale.
struct Turns<'a> {
    heap: BinaryHeap<Reverse<(Rank, &'a str)>>,
}

impl<'a> Turns<'a> {
    fn new(queues: &BTreeMap<&'a str, Queue<'a>>, may: impl Fn(&Queue<'a>) -> bool) -> Self {
        let mut turns = Self {
            heap: BinaryHeap::with_capacity(queues.len()),
        };
        for (user, queue) in queues {
            if may(queue) {
                turns.offer(user, queue);
            }
        }
        turns
    }

    fn offer(&mut self, user: &'a str, queue: &Queue<'_>) {
        if let Some(rank) = queue.rank() {
            self.heap.push(Reverse((rank, user)));
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.heap.pop().map(|Reverse((_, user))| user)
    }
}

#[cfg(test)]
mod tests;
