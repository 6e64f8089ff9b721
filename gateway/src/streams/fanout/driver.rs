//! Reads the log of one task once, for all its viewers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use codex_tasklog::{Joined, JoinedBody, Joiner};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::time::Instant;
use uuid::Uuid;

use super::feed::{Fed, Feed, LogEnd};
use super::ring::Ring;
use super::store::CHUNK;
use super::task::{PACES, Task, VIEWS, wake};
use super::{Oversight, Pace};
use crate::streams::encode::{Encoder, View};
use crate::tasks::states::Watch;

/// Viewers are woken before their time when this much has come together, in bytes, so that a burst does not run through the ring.
const BURST: usize = 256 * 1024;
/// How far the log may be ahead of the first viewer to be read from there, in frames.
const FAR: u64 = 4096;
/// How long the live log may take to say how far it is.
const PATIENCE: Duration = Duration::from_secs(1);
const FAST: usize = Pace::Fast as usize;
const CALM: usize = Pace::Calm as usize;
const VIEW: [View; VIEWS] = [View::Typed, View::Raw];

/// Reads the log of one task. It begins with the first viewer and ends a little after the last one.
pub struct Driver {
    task: Arc<Task>,
    watch: Watch,
    oversight: Arc<dyn Oversight>,
    /// What the oversight does now.
    looking: Option<BoxFuture<'static, Vec<Uuid>>>,
    /// Nothing for a task that had ended before anybody came: its viewers read the store, each from its own position.
    feed: Option<Feed>,
    joiner: Joiner,
    /// The growing tails of the rings.
    tails: [Option<Encoder>; VIEWS],
    /// The number of the last frame of the last whole event.
    position: u64,
    /// Whether there is something in the tails.
    is_dirty: bool,
    /// What has come since the viewers of each pace were woken, in bytes.
    news: [usize; PACES],
    woken: [Instant; PACES],
    /// How long the viewers of each pace are left alone then.
    intervals: [Duration; PACES],
    next_beat: Instant,
    idle_since: Option<Instant>,
    wakers: Vec<Waker>,
}

impl Driver {
    pub(super) fn new(
        task: Arc<Task>,
        watch: Watch,
        oversight: Arc<dyn Oversight>,
        after: u64,
    ) -> Self {
        let now = Instant::now();
        let intervals = [Pace::Fast, Pace::Calm].map(|pace| pace.interval(1));
        let past = now.checked_sub(intervals[CALM]).unwrap_or(now);
        Self {
            next_beat: now + task.shared.options.heartbeat,
            task,
            watch,
            oversight,
            looking: None,
            feed: None,
            joiner: Joiner::default(),
            tails: [None, None],
            position: after,
            is_dirty: false,
            news: [0; PACES],
            woken: [past; PACES],
            intervals,
            idle_since: None,
            wakers: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let task = Arc::clone(&self.task);
        let mut stop = std::pin::pin!(task.shared.shutdown.cancelled());
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = self.begin() => {}
        }
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.deadline()));
        loop {
            let deadline = self.deadline();
            if timer.deadline() != deadline {
                timer.as_mut().reset(deadline);
            }
            // The log comes last, because it may have something whenever it is asked.
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = &mut timer => if self.on_time() {
                    return;
                },
                () = task.control.notified() => self.look_at_viewers(),
                () = self.watch.changed() => self.statuses(),
                shut_out = looked(&mut self.looking) => {
                    self.looking = None;
                    self.task.change(|state| state.shut_out = shut_out);
                }
                fed = next(&mut self.feed) => {
                    self.take(fed);
                    tokio::task::consume_budget().await;
                }
            }
        }
    }

    /// Begins to read where the first viewer is. Where that is far behind the log, it begins with what is to come instead: that viewer could
    /// not keep up, and the log would be read once for a ring that nobody follows and once more for the viewer.
    async fn begin(&mut self) {
        if *self.task.finished.borrow() {
            return;
        }
        let (reader, id) = (&self.task.shared.source.reader, self.task.id.to_string());
        let last = tokio::time::timeout(PATIENCE, reader.last_live(&id)).await;
        if let Ok(Ok(last)) = last
            && last > self.position.saturating_add(FAR)
        {
            self.position = last;
            let mut state = self.task.lock();
            for ring in state.rings.iter_mut().flatten() {
                ring.restart(last);
            }
        }
        self.feed = Some(self.task.feed(self.position));
        self.open_rings();
    }

    /// When something is due.
    fn deadline(&self) -> Instant {
        let flush = (self.news[FAST] > 0).then(|| self.woken[FAST] + self.intervals[FAST]);
        let calm = (self.news[CALM] > 0).then(|| self.woken[CALM] + self.intervals[CALM]);
        let idle = self
            .idle_since
            .map(|since| since + self.task.shared.options.linger);
        [flush, calm, idle]
            .into_iter()
            .flatten()
            .fold(self.next_beat, Instant::min)
    }

    /// Does what is due; answers whether the driver is not needed any more.
    fn on_time(&mut self) -> bool {
        let now = Instant::now();
        self.deliver(now);
        if self.next_beat <= now {
            self.next_beat = now + self.task.shared.options.heartbeat;
            self.beat();
        }
        let linger = self.task.shared.options.linger;
        self.idle_since.is_some_and(|since| since + linger <= now) && self.leave()
    }

    fn take(&mut self, fed: Fed) {
        match fed {
            Fed::Frames(frames) => {
                for frame in frames {
                    if let Some(piece) = self.joiner.push(&frame) {
                        self.append(&piece);
                    }
                }
                self.deliver(Instant::now());
            }
            Fed::End(end) => self.end(end),
        }
    }

    fn append(&mut self, piece: &Joined) {
        if matches!(piece.body, JoinedBody::End(_)) {
            return;
        }
        self.position = piece.last;
        self.is_dirty = true;
        let mut is_full = false;
        let mut longest = 0;
        for tail in self.tails.iter_mut().flatten() {
            let before = tail.len();
            tail.joined(piece);
            longest = longest.max(tail.len() - before);
            is_full |= tail.len() >= CHUNK;
        }
        for news in &mut self.news {
            *news += longest;
        }
        if is_full {
            self.freeze();
        }
    }

    /// Makes segments from the tails, and takes the viewers that are to be woken.
    fn freeze(&mut self) {
        let limit = self.task.shared.ring_limit();
        let mut state = self.task.lock();
        for (tail, ring) in self.tails.iter_mut().zip(&mut state.rings) {
            if let (Some(tail), Some(ring)) = (tail, ring)
                && !tail.is_empty()
            {
                ring.push(tail.freeze(), self.position);
                ring.trim(limit);
            }
        }
        self.is_dirty = false;
    }

    /// Wakes the viewers whose time has come, when there is something for them.
    fn deliver(&mut self, now: Instant) {
        for (index, pace) in [(FAST, Pace::Fast), (CALM, Pace::Calm)] {
            let is_due =
                now >= self.woken[index] + self.intervals[index] || self.news[index] >= BURST;
            if self.news[index] == 0 || !is_due {
                continue;
            }
            if self.is_dirty {
                self.freeze();
            }
            let viewers = self.task.lock().wakers(pace, &mut self.wakers);
            self.intervals[index] = pace.interval(viewers);
            wake(&mut self.wakers);
            self.news[index] = 0;
            self.woken[index] = now;
        }
    }

    fn end(&mut self, end: LogEnd) {
        self.freeze();
        self.news = [0; PACES];
        self.feed = None;
        self.task.change(|state| state.end = Some(end));
    }

    fn statuses(&mut self) {
        let history = self.watch.history();
        let present = history.present();
        if present.is_some_and(|status| status.phase.is_final()) {
            self.task.finished.send_replace(true);
        }
        self.task.change(|state| state.history = history);
    }

    /// Shows the viewers that the connection lives, and looks whether it still should.
    fn beat(&mut self) {
        let mut users = Vec::new();
        self.task.change(|state| {
            state.beat = state.beat.wrapping_add(1);
            users.extend(state.viewers.keys().copied());
        });
        // Other tasks may have come since the last flush, and share the memory now.
        let limit = self.task.shared.ring_limit();
        for ring in self.task.lock().rings.iter_mut().flatten() {
            ring.trim(limit);
        }
        self.task.replay.rest();
        if self.looking.is_none() && !users.is_empty() {
            let oversight = Arc::clone(&self.oversight);
            let (id, is_final) = (self.task.id, *self.task.finished.borrow());
            self.looking =
                Some(async move { oversight.look_after(id, is_final, users).await }.boxed());
        }
    }

    fn look_at_viewers(&mut self) {
        let has_viewers = !self.task.lock().viewers.is_empty();
        self.idle_since = (!has_viewers).then(Instant::now);
        self.open_rings();
    }

    /// Begins the rings of views that somebody has come to look at.
    fn open_rings(&mut self) {
        if self.feed.is_none() {
            return;
        }
        let position = self.position;
        let mut opened = 0;
        {
            let mut state = self.task.lock();
            for (index, tail) in self.tails.iter_mut().enumerate() {
                if state.wanted[index] && tail.is_none() {
                    *tail = Some(Encoder::new(VIEW[index]));
                    state.rings[index].get_or_insert_with(|| Ring::new(position));
                    opened += 1;
                }
            }
        }
        if opened > 0 {
            self.task.shared.rings.fetch_add(opened, Ordering::Relaxed);
            // Those who read the store meanwhile may change over.
            self.task.change(|_| ());
        }
    }

    /// Leaves the registry, unless somebody came in the last moment.
    fn leave(&mut self) -> bool {
        let mut tasks = self.task.shared.lock();
        let mut state = self.task.lock();
        if !state.viewers.is_empty() {
            self.idle_since = None;
            return false;
        }
        state.is_closed = true;
        drop(state);
        tasks.remove(&self.task.id);
        true
    }
}

impl Drop for Driver {
    /// However the driver ends, nobody waits for it for ever: viewers end, and their clients connect again.
    fn drop(&mut self) {
        let mut tasks = self.task.shared.lock();
        if tasks
            .get(&self.task.id)
            .is_some_and(|task| Arc::ptr_eq(task, &self.task))
        {
            tasks.remove(&self.task.id);
        }
        drop(tasks);
        let opened = self.tails.iter().flatten().count();
        self.task.shared.rings.fetch_sub(opened, Ordering::Relaxed);
        self.task.change(|state| state.is_closed = true);
    }
}

async fn next(feed: &mut Option<Feed>) -> Fed {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}

async fn looked(looking: &mut Option<BoxFuture<'static, Vec<Uuid>>>) -> Vec<Uuid> {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}
