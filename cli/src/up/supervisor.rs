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
            log: logs::tail(&shown),
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
mod tests {
    use std::path::Path;

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    use super::{
        super::{
            process::{Listen, Readiness, Via},
            state::RunState,
        },
        *,
    };

    fn supervisor(dir: &Path) -> Supervisor {
        Supervisor::new(Arc::new(Shared {
            board: Board::new(dir.join("run.json"), Progress),
            ports: Mutex::new(Ports::open(dir.join("ports.json"))),
            progress: Progress,
            kill: CancellationToken::new(),
        }))
    }

    fn shell(script: &str) -> ProcessSpec {
        ProcessSpec {
            name: "part",
            title: "the part",
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("PATH", "/usr/bin:/bin".into())],
            listens: vec![Listen {
                via: Via::Env("LISTEN"),
                address: ([127, 0, 0, 1], 0).into(),
                field: "url",
            }],
            account: None,
            readiness: Readiness::Line,
            ready_timeout: Duration::from_secs(20),
            stop_signal: Signal::SIGTERM,
            stop_timeout: Duration::from_secs(10),
        }
    }

    fn state(dir: &Path) -> RunState {
        serde_json::from_slice(&std::fs::read(dir.join("run.json")).unwrap()).unwrap()
    }

    async fn until(dir: &Path, condition: impl Fn(&RunState) -> bool) -> RunState {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let state = state(dir);
            if condition(&state) {
                return state;
            }
            assert!(Instant::now() < deadline, "{state:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_part_that_dies_comes_back_at_the_same_address() {
        let dir = tempfile::tempdir().unwrap();
        let supervisor = supervisor(dir.path());
        // Says where it was told to listen; port 0 stands for 4711.
        let spec = shell(
            r#"echo "told $LISTEN" >&2; echo '{"ready":true,"url":"http://127.0.0.1:4711"}'; exec sleep 1000"#,
        );
        let log = dir.path().join("part.log");
        let line = supervisor.start(spec, log.clone()).await.unwrap();
        assert_eq!(line["url"], "http://127.0.0.1:4711");
        let first = until(dir.path(), |state| state.processes["part"].ready)
            .await
            .processes["part"]
            .clone();
        assert_eq!(first.url.as_deref(), Some("http://127.0.0.1:4711"));

        kill(Pid::from_raw(first.pid.cast_signed()), Signal::SIGKILL).unwrap();
        let second = until(dir.path(), |state| {
            state.processes["part"].ready && state.processes["part"].pid != first.pid
        })
        .await;
        assert_eq!(second.processes["part"].restarts, 1);
        let told = std::fs::read_to_string(log).unwrap();
        assert_eq!(told, "told 127.0.0.1:0\ntold 127.0.0.1:4711\n");

        supervisor.stop().await;
        assert_eq!(
            start_ticks(second.processes["part"].pid),
            None,
            "it still runs"
        );
        assert_eq!(
            Ports::open(dir.path().join("ports.json"))
                .address("part.url")
                .port(),
            4711
        );
    }

    #[tokio::test]
    async fn a_part_that_never_gets_ready_fails_the_start_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let supervisor = supervisor(dir.path());
        let result = supervisor
            .start(
                shell("echo 'no such database' >&2; exit 1"),
                dir.path().join("log"),
            )
            .await;
        let text = result.unwrap_err().to_string();
        assert!(
            text.contains("exit code 1") && text.contains("no such database"),
            "{text}"
        );
        supervisor.stop().await;
    }

    #[tokio::test]
    async fn what_ignores_the_stop_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let supervisor = supervisor(dir.path());
        let mut spec = shell(
            r#"trap '' TERM; sleep 1000 & echo "{\"ready\":true,\"child\":$!}"; while :; do wait; done"#,
        );
        spec.stop_timeout = Duration::from_millis(50);
        let line = supervisor
            .start(spec, dir.path().join("log"))
            .await
            .unwrap();
        let child = u32::try_from(line["child"].as_u64().unwrap()).unwrap();
        assert!(start_ticks(child).is_some());
        supervisor.stop().await;
        let deadline = Instant::now() + Duration::from_secs(20);
        while start_ticks(child).is_some() {
            assert!(
                Instant::now() < deadline,
                "the child of a killed part lives on"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
