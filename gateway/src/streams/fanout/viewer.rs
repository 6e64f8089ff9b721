//! One connection: a position in the log of one task.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use hyper::body::{Body, Frame};

use super::Request;
use super::feed::LogEnd;
use super::replay::Reading;
use super::ring::{Place, Read, Ring};
use super::store::{CHUNK, Chunk};
use super::task::{State, Task, index};
use crate::database::status::TaskStatus;
use crate::streams::encode::Encoder;
use crate::streams::slots::Slot;

/// One connection that follows one task: a stream of whole events in the form of `text/event-stream`, shared where possible.
///
/// It hands something out only when it is asked, so a client that does not read costs a position and nothing else.
pub struct Viewer {
    task: Arc<Task>,
    request: Request,
    mode: Mode,
    /// The number of the last frame that was handed out.
    position: u64,
    /// The last status that was handed out.
    present: Arc<TaskStatus>,
    beat: u32,
    /// What is to be handed out first.
    first: Bytes,
    /// The place among those who wait.
    key: Option<usize>,
    is_done: bool,
    _slot: Option<Slot>,
}

/// Where the next events come from.
enum Mode {
    /// From the ring.
    Ring(Place),
    /// From the store, until the ring has the position.
    Store(Reading),
    /// From nowhere: the log is read to its end, and the final state is waited for.
    Over(LogEnd),
}

/// What a look at the shared state gives.
enum Look {
    Out(Bytes),
    Wait,
    ReadStore,
    Closed,
}

impl Viewer {
    pub(super) fn new(
        task: Arc<Task>,
        request: Request,
        present: Arc<TaskStatus>,
        slot: Option<Slot>,
    ) -> Self {
        let mut encoder = Encoder::new(request.view);
        // Clients that lose a gateway do not all come back in the same moment.
        encoder.retry(rand::random_range(500..2500));
        encoder.status(&present);
        let view = index(request.view);
        let (mode, beat) = {
            let mut state = task.lock();
            *state.viewers.entry(request.user).or_default() += 1;
            let is_first = state.wanted.iter().all(|wanted| !wanted);
            if is_first && !*task.finished.borrow() {
                // The driver begins where its first viewer does.
                state.rings[view] = Some(Ring::new(request.after));
            }
            state.wanted[view] = true;
            (state.mode_at(&request, request.after), state.beat)
        };
        let metrics = &task.shared.metrics;
        metrics.streams_open.inc();
        Self {
            task,
            request,
            mode,
            position: request.after,
            present,
            beat,
            first: encoder.take(),
            key: None,
            is_done: false,
            _slot: slot,
        }
    }

    /// The next whole events; nothing when the stream has ended, or has to be taken up elsewhere.
    pub fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return self.out(first);
        }
        if self.is_done {
            return Poll::Ready(None);
        }
        loop {
            match self.look(context) {
                Look::Out(bytes) => return self.out(bytes),
                Look::Wait => return Poll::Pending,
                Look::Closed => {
                    self.is_done = true;
                    return Poll::Ready(None);
                }
                Look::ReadStore => {}
            }
            let Mode::Store(reading) = &mut self.mode else {
                continue;
            };
            let (task, view, position) = (&self.task, self.request.view, self.position);
            match std::task::ready!(reading.poll(task, view, position, context)) {
                Chunk::Bytes { bytes, last } => {
                    self.position = last;
                    return self.out(bytes);
                }
                Chunk::End(end) => self.mode = Mode::Over(end),
            }
        }
    }

    /// Looks at what all viewers share. Whoever finds nothing is on the list of those who wait before the lock is released, so no news
    /// fall between the two.
    fn look(&mut self, context: &Context<'_>) -> Look {
        let task = Arc::clone(&self.task);
        let mut state = task.lock();
        if state.is_closed || state.shut_out.contains(&self.request.user) {
            return Look::Closed;
        }
        let mut encoder = Encoder::new(self.request.view);
        self.statuses(&state, &mut encoder);
        if self.beat != state.beat {
            self.beat = state.beat;
            encoder.heartbeat();
        }
        // Kubernetes never heard of such a task, so it has no log.
        if self.present.phase.is_final() && !self.present.in_cluster {
            self.mode = Mode::Over(self.lost());
        }
        if let Mode::Over(end) = &self.mode
            && self.present.phase.is_final()
        {
            let end = *end;
            self.finish(end, &mut encoder);
        }
        if !encoder.is_empty() {
            return Look::Out(encoder.take());
        }
        if let Mode::Store(_) = &self.mode {
            self.mode = match state.mode_at(&self.request, self.position) {
                // Whoever reads the store goes on with it where the ring does not have the position yet.
                Mode::Store(_) => {
                    std::mem::replace(&mut self.mode, Mode::Store(Reading::default()))
                }
                ring => ring,
            };
        }
        if let Mode::Ring(place) = self.mode {
            match state.ring(self.request.view).map(|ring| ring.read(place)) {
                Some(Read::Bytes { bytes, last, next }) => {
                    self.mode = Mode::Ring(next);
                    self.position = last;
                    return Look::Out(bytes);
                }
                Some(Read::Empty) => {
                    if let Some(end) = state.end {
                        self.mode = Mode::Over(end);
                        if self.present.phase.is_final() {
                            self.finish(end, &mut encoder);
                            return Look::Out(encoder.take());
                        }
                    }
                }
                Some(Read::Gone) | None => self.mode = Mode::Store(Reading::default()),
            }
        }
        state.wait(self.request.pace, &mut self.key, context);
        match self.mode {
            Mode::Store(_) => Look::ReadStore,
            Mode::Ring(_) | Mode::Over(_) => Look::Wait,
        }
    }

    fn statuses(&mut self, state: &State, encoder: &mut Encoder) {
        let Some(present) = state.history.present() else {
            return;
        };
        if present.revision <= self.present.revision {
            return;
        }
        for status in state.history.after(self.present.revision) {
            encoder.status(status);
        }
        self.present = Arc::clone(present);
    }

    /// The last event, after one that says so when the log ended before its last frame.
    fn finish(&mut self, end: LogEnd, encoder: &mut Encoder) {
        let last = self
            .present
            .last_frame
            .and_then(|last| u64::try_from(last).ok())
            .unwrap_or(0)
            .max(end.position);
        if !end.is_complete && last > self.position {
            encoder.gap(self.position + 1, last, None);
        }
        encoder.done(&self.present);
        self.is_done = true;
    }

    const fn lost(&self) -> LogEnd {
        LogEnd {
            is_complete: false,
            position: self.position,
        }
    }

    fn out(&self, bytes: Bytes) -> Poll<Option<Bytes>> {
        let metrics = &self.task.shared.metrics;
        metrics.stream_bytes.inc_by(bytes.len() as u64);
        Poll::Ready(Some(bytes))
    }
}

impl State {
    /// The ring where it has the position, the store otherwise.
    fn mode_at(&self, request: &Request, position: u64) -> Mode {
        self.ring(request.view)
            .and_then(|ring| ring.seek(position))
            .map_or_else(|| Mode::Store(Reading::default()), Mode::Ring)
    }
}

impl Stream for Viewer {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().poll_events(context)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let metrics = &self.task.shared.metrics;
        metrics.streams_open.dec();
        let Request { user, pace, .. } = self.request;
        self.task.lock().leave(user, pace, self.key);
        self.task.control.notify_one();
    }
}

/// A viewer as the body of a response.
pub struct EventBody {
    viewer: Viewer,
    rest: Bytes,
}

impl From<Viewer> for EventBody {
    fn from(viewer: Viewer) -> Self {
        Self {
            viewer,
            rest: Bytes::new(),
        }
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        if body.rest.is_empty() {
            match std::task::ready!(body.viewer.poll_events(context)) {
                Some(bytes) => body.rest = bytes,
                None => return Poll::Ready(None),
            }
        }
        // A single event may be far longer than what should wait in the buffers of a connection.
        let next = body.rest.split_to(body.rest.len().min(CHUNK));
        Poll::Ready(Some(Ok(Frame::data(next))))
    }
}
