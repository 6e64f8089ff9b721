//! `codex-remote up`: a whole installation on one machine.
//!
//! This process prepares the data folder, starts every part as a process of its own, keeps them running, and stops them
//! in order. The parts are the binaries of production; only their configuration differs.
//!
//! ```text
//! PostgreSQL ----------------------------\
//! demo model -> pod proxy -> local cluster -> operator -> gateway
//! ```
//!
//! With `--kubeconfig` the API server is somebody else's, and the local cluster is only a node there.

mod account;
mod credentials;
mod error;
mod kubeconfig;
mod kubernetes;
mod layout;
mod logs;
mod plan;
mod ports;
mod postgres;
mod preflight;
mod process;
mod programs;
mod progress;
mod ready;
mod repository;
mod secrets;
mod sso;
mod start;
mod state;
mod stores;
mod supervisor;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use error::UpError;

use self::{
    ports::Ports,
    progress::Progress,
    start::{Prepared, Running},
    state::Board,
    supervisor::{Shared, Supervisor},
};
use crate::commands::up::UpArgs;

/// Signals within this time are one.
const SAME_WISH: Duration = Duration::from_millis(400);

/// Starts everything, stays until a signal, and stops everything.
///
/// # Errors
/// When something is missing or a part does not start. What was started by then is stopped again.
pub async fn run(args: UpArgs) -> Result<ExitCode, UpError> {
    let progress = Progress;
    let mut signals = Signals::new()?;
    let prepared = tokio::select! {
        prepared = Prepared::new(args, progress) => prepared?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let shared = Arc::new(Shared {
        board: Board::new(prepared.layout.run_file(), progress),
        ports: Mutex::new(Ports::open(prepared.layout.ports_file())),
        progress,
        kill: CancellationToken::new(),
    });
    let supervisor = Supervisor::new(Arc::clone(&shared));
    let stop_logs = CancellationToken::new();
    let logs = tokio::spawn(logs::keep_bounded(
        prepared.layout.root().join("logs"),
        progress,
        stop_logs.clone(),
    ));

    let started = tokio::select! {
        result = prepared.start(&supervisor, &shared) => result.map(Some),
        () = signals.next() => Ok(None),
    };
    let result = match started {
        Ok(running) => {
            if let Some(running) = &running {
                ready::announce(&prepared, running, &shared);
                signals.next().await;
            }
            stop_gently(
                &prepared,
                running.as_ref(),
                &mut signals,
                &shared,
                &supervisor,
            )
            .await;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            stop_parts(&mut signals, &shared, &supervisor).await;
            Err(error)
        }
    };
    stop_logs.cancel();
    // It only sleeps and copies files; its panic would have been printed.
    let _ = logs.await;
    shared.board.clear();
    result
}

async fn stop_gently(
    prepared: &Prepared,
    running: Option<&Running>,
    signals: &mut Signals,
    shared: &Shared,
    supervisor: &Supervisor,
) {
    let progress = shared.progress;
    progress.line("stopping; press Ctrl-C again to stop at once");
    if let Some(running) = running {
        let tasks = async {
            if prepared.args.stop_tasks {
                match running.cluster.cancel_tasks().await {
                    Ok(0) => progress.line("no task runs any more"),
                    Ok(left) => {
                        progress.warn(format!("{left} tasks have not ended; their Pods go on"));
                    }
                    Err(error) => progress.warn(format!("cannot cancel the tasks: {error}")),
                }
            } else if let Ok(count @ 1..) = running.cluster.running_tasks().await {
                let tasks = if count == 1 {
                    "1 task has"
                } else {
                    &format!("{count} tasks have")
                };
                progress.line(format!(
                    "{tasks} not ended: Pods go on, and the next `codex-remote up` picks them up, but until then they cannot reach \
                     the model, and Codex gives up after some tries. With --stop-tasks they are cancelled instead"
                ));
            }
        };
        tokio::select! {
            () = tasks => {}
            () = signals.next() => kill_all(shared),
        }
    }
    stop_parts(signals, shared, supervisor).await;
    progress.line("stopped");
}

async fn stop_parts(signals: &mut Signals, shared: &Shared, supervisor: &Supervisor) {
    let mut stop = std::pin::pin!(supervisor.stop());
    tokio::select! {
        () = &mut stop => return,
        () = signals.next() => kill_all(shared),
    }
    stop.await;
}

fn kill_all(shared: &Shared) {
    shared.progress.line("killing what has not stopped");
    shared.kill.cancel();
}

/// The signals that end `up`. A terminal that is closed counts: there is nobody to press Ctrl-C any more.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    last: Option<Instant>,
}

impl Signals {
    fn new() -> Result<Self, UpError> {
        let listen = |kind| {
            signal(kind).map_err(|source| UpError::System {
                what: "cannot listen for signals".into(),
                source,
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            last: None,
        })
    }

    /// Waits for a signal. One that follows another at once is the same wish: `timeout`, npm and some shells send each twice, to the
    /// process and to its group.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                _ = self.hangup.recv() => {}
            }
            let before = self.last.replace(Instant::now());
            if before.is_none_or(|before| before.elapsed() > SAME_WISH) {
                return;
            }
        }
    }
}
