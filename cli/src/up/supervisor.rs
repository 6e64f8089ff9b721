//! Starts the parts, starts them again when they die, and stops them in order.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    error::UpError,
    logs,
    ports::Ports,
    process::{Process, ProcessSpec, describe},
    progress::Progress,
    state::{Board, start_ticks},
};

/// The wait before the first new start of a part that died.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// The longest wait.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// A part that has been ready for so long gets the short wait again.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// What all parts share.
#[derive(Debug)]
pub struct Shared {
    /// `run.json`.
    pub board: Board,
    /// The ports between runs.
    pub ports: Mutex<Ports>,
    /// The terminal.
    pub progress: Progress,
    /// Cancelled when everything shall end at once.
    pub kill: CancellationToken,
}

/// Owns the processes. Each has a task that supervises it.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    services: Mutex<Vec<Service>>,
}

#[derive(Debug)]
struct Service {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor of nothing yet.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            services: Mutex::default(),
        }
    }

    /// Starts a part and waits until it is ready for the first time. Returns its ready line.
    ///
    /// # Errors
    /// When it ends before that or takes too long; the error has the end of its log.
    pub async fn start(&self, spec: ProcessSpec, log: PathBuf) -> Result<Value, UpError> {
        let (ready, announced) = oneshot::channel();
        let stop = CancellationToken::new();
        let title = spec.title;
        let shared = Arc::clone(&self.shared);
        let shown = log.clone();
        // Only what this start adds to the log explains it.
        let from = log.metadata().map_or(0, |found| found.len());
        let part = Part {
            spec,
            log,
            shared,
            stop: stop.clone(),
            restarts: 0,
        };
        let task = tokio::spawn(part.supervise(ready));
        self.services
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Service { stop, task });
        let failed = |reason: String| UpError::NotStarted {
            title,
            reason,
            log: logs::tail(&shown, from),
        };
        match announced.await {
            Ok(result) => result.map_err(failed),
            Err(_) => Err(failed("it was stopped".into())),
        }
    }

    /// Stops all parts, the youngest first, each after the one before has ended.
    pub async fn stop(&self) {
        loop {
            let last = self
                .services
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some(service) = last else { return };
            service.stop.cancel();
            if let Err(error) = service.task.await {
                self.shared
                    .progress
                    .warn(format!("a supervising task failed: {error}"));
            }
        }
    }
}

struct Part {
    spec: ProcessSpec,
    log: PathBuf,
    shared: Arc<Shared>,
    stop: CancellationToken,
    restarts: u32,
}

/// How one life of a process ended.
enum End {
    /// As it was told.
    Stopped,
    /// By itself.
    Died {
        reason: String,
        ready_for: Option<Duration>,
    },
}

impl Part {
    async fn supervise(mut self, ready: oneshot::Sender<Result<Value, String>>) {
        let mut ready = Some(ready);
        let mut delay = FIRST_DELAY;
        loop {
            let (reason, ready_for) = match self.live(&mut ready).await {
                End::Stopped => return,
                End::Died { reason, ready_for } => (reason, ready_for),
            };
            self.shared
                .board
                .update_process(self.spec.name, &self.log, |process| process.ready = false);
            // Before the first time that it is ready, the start as a whole fails.
            if let Some(ready) = ready.take() {
                // Nobody listens any more when the start was given up.
                let _ = ready.send(Err(reason));
                return;
            }
            if ready_for.is_some_and(|lasted| lasted >= GOOD_RUN) {
                delay = FIRST_DELAY;
            }
            self.shared
                .progress
                .warn(format!("{}: {reason}; starting it again", self.spec.title));
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.stop.cancelled() => return,
            }
            delay = (delay * 2).min(LONGEST_DELAY);
            self.restarts += 1;
        }
    }

    /// Runs the process once, from its start to its end.
    async fn live(&mut self, ready: &mut Option<oneshot::Sender<Result<Value, String>>>) -> End {
        let begin = Instant::now();
        let mut process = match Process::spawn(&self.spec, &self.log) {
            Ok(process) => process,
            Err(error) => {
                return End::Died {
                    reason: format!("cannot start {}: {error}", self.spec.program.display()),
                    ready_for: None,
                };
            }
        };
        let (pid, restarts) = (process.pid, self.restarts);
        self.shared
            .board
            .update_process(self.spec.name, &self.log, |entry| {
                entry.pid = pid;
                entry.start_ticks = start_ticks(pid).unwrap_or_default();
                entry.restarts = restarts;
            });
        let announced = tokio::select! {
            result = process.ready(&self.spec) => result,
            () = self.stop.cancelled() => {
                self.end(&mut process).await;
                return End::Stopped;
            }
        };
        let line = match announced {
            Ok(line) => line,
            Err(reason) => {
                process.kill();
                // Reaped here; that it has ended is all there is to know.
                let _ = process.ended().await;
                return End::Died {
                    reason,
                    ready_for: None,
                };
            }
        };
        self.note_ready(&line, begin.elapsed());
        let since = Instant::now();
        if let Some(ready) = ready.take() {
            // Nobody listens any more when the start was given up; the stop comes next.
            let _ = ready.send(Ok(line));
        }
        tokio::select! {
            status = process.ended() => {
                let reason = status.map_or_else(|error| error.to_string(), |status| format!("it ended ({})", describe(status)));
                End::Died { reason, ready_for: Some(since.elapsed()) }
            }
            () = self.stop.cancelled() => {
                self.end(&mut process).await;
                End::Stopped
            }
        }
    }

    /// Keeps the addresses, so that the next life of this process has the same.
    fn note_ready(&mut self, line: &Value, took: Duration) {
        let mut shown = None;
        for listen in &mut self.spec.listens {
            let url = line[listen.field]
                .as_str()
                .and_then(|text| url::Url::parse(text).ok());
            let Some((url, port)) =
                url.and_then(|url| url.port_or_known_default().map(|port| (url, port)))
            else {
                continue;
            };
            listen.address.set_port(port);
            shown.get_or_insert(url);
            let name = format!("{}.{}", self.spec.name, listen.field);
            let mut ports = self
                .shared
                .ports
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = ports.remember(&name, port) {
                self.shared.progress.warn(error.to_string());
            }
        }
        self.shared
            .board
            .update_process(self.spec.name, &self.log, |process| {
                process.ready = true;
                process.url = shown.map(|url| url.to_string().trim_end_matches('/').to_owned());
            });
        if self.restarts > 0 {
            self.shared.progress.line(format!(
                "{} is back ({:.1} s)",
                self.spec.title,
                took.as_secs_f64()
            ));
        }
    }

    /// Asks the process to end, and makes it end when it does not.
    async fn end(&self, process: &mut Process) {
        process.signal(self.spec.stop_signal);
        tokio::select! {
            _ = process.ended() => return,
            () = tokio::time::sleep(self.spec.stop_timeout) => self.shared.progress.warn(format!(
                "{} has not stopped after {} s and is killed", self.spec.title, self.spec.stop_timeout.as_secs()
            )),
            () = self.shared.kill.cancelled() => {}
        }
        process.kill();
        // Reaped here; that it has ended is all there is to know.
        let _ = process.ended().await;
    }
}

#[cfg(test)]
mod tests;
