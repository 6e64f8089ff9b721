//! One task from its beginning to its end frame.

use std::io::Write;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::clock::{Clock, Stage};
use crate::config::Config;
use crate::engine::{self, Engine, Exec};
use crate::error::RunnerError;
use crate::exit;
use crate::forwarder::Forwarder;
use crate::outcome::{End, Ended};
use crate::output::{self, BEAT_INTERVAL, Output, RunnerEvent};
use crate::patch::{self, Baseline};
use crate::pod_proxy::PodProxy;
use crate::process::{Process, Reaper};
use crate::pump;
use crate::shutdown::{Phase, Shutdown};
use crate::spool::{self, Spool};
use crate::workspace::{self, Git, Workspace};

/// How long reading may go on after every process has gone. Only a slow reader of the runner's output takes so long.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How long the patch may take when nobody waits for the end.
const PATCH_LIMIT: Duration = Duration::from_secs(60);

/// Runs the task and writes its frames to `sink`, normally standard output. Answers with the exit code of the runner.
///
/// The calling process has to be single-purpose: the runner reaps every child, and in the end kills every descendant.
pub async fn run<W: Write + Send + 'static>(config: Config, sink: W) -> u8 {
    let started = start(&config, sink);
    let Ok((task, writer, _background)) =
        started.inspect_err(|error| eprintln!("codex-runner: cannot start: {error}"))
    else {
        return exit::SYSTEM;
    };
    let conducting = async {
        let end = task.conduct().await;
        task.reaper.end_all().await;
        end
    };
    let mut end = tokio::select! {
        end = conducting => end,
        () = task.shutdown.over(Phase::GiveUp) => End::abandoned(),
    };
    let uploading = task.clock.begin(Stage::Upload);
    end.report.spooled = tokio::select! {
        spooled = task.keep_log(&writer) => spooled,
        () = task.shutdown.over(Phase::GiveUp) => None,
    };
    drop(uploading);
    end.report.phases = Some(Box::new(task.clock.phases()));
    let is_written = tokio::select! {
        is_written = writer.end(end.report) => is_written,
        () = task.shutdown.over(Phase::End) => false,
    };
    if is_written { end.code } else { exit::OUTPUT }
}

/// Everything that is there for the whole time.
pub(crate) struct Task<'a> {
    pub(crate) config: &'a Config,
    reaper: Reaper,
    pub(crate) shutdown: Shutdown,
    pub(crate) output: Output,
    pub(crate) pod_proxy: PodProxy,
    clock: Clock,
}

/// What is ready before Codex starts.
struct Prepared {
    workspace: Workspace,
    exec: Exec,
    /// Serves until this is dropped.
    _forwarder: Forwarder,
}

type Background = [tokio_util::task::AbortOnDropHandle<()>; 2];

fn start<W: Write + Send + 'static>(
    config: &Config,
    sink: W,
) -> std::io::Result<(Task<'_>, output::Writer, Background)> {
    // Signals first: one that comes during the preparation must not be lost.
    let (shutdown, listening) = Shutdown::listen(config.grace)?;
    let (reaper, reaping) = Reaper::start()?;
    let (output, writer) = output::start(&config.nonce, sink, BEAT_INTERVAL, spool(config))?;
    let pod_proxy = PodProxy::new(config)?;
    Ok((
        Task {
            config,
            reaper,
            shutdown,
            output,
            pod_proxy,
            clock: Clock::default(),
        },
        writer,
        [listening, reaping],
    ))
}

/// The record of the log, or why there is none.
fn spool(config: &Config) -> Result<Spool, String> {
    match config.spool_limit {
        0 => Err("the operator allows none".to_owned()),
        limit => spool::start(&config.temporary, limit).map_err(|error| error.to_string()),
    }
}

impl Task<'_> {
    async fn conduct(&self) -> End {
        let prepared = tokio::select! {
            prepared = self.prepare() => prepared,
            () = self.shutdown.requested() => Err(RunnerError::Canceled),
            () = self.output.broken() => Err(RunnerError::OutputGone),
        };
        match prepared {
            Ok(prepared) => self
                .run_codex(prepared)
                .await
                .unwrap_or_else(|error| End::failed(&error)),
            Err(error) => End::failed(&error),
        }
    }

    async fn prepare(&self) -> Result<Prepared, RunnerError> {
        let _preparing = self.clock.begin(Stage::Prepare);
        let config = self.config;
        let git = self.git().map_err(RunnerError::Workspace)?;
        let (workspace, version) = tokio::join!(
            workspace::prepare(&git, config),
            engine::version(config, &self.reaper)
        );
        let workspace = workspace?;
        let forwarder = Forwarder::start(&config.pod_proxy, &config.token)
            .await
            .map_err(|error| {
                RunnerError::Workspace(format!("the way to the model cannot be opened: {error}"))
            })?;
        let thread = self.resume().await?;
        let exec = Exec::prepare(
            config,
            forwarder.address(),
            &workspace.cwd,
            thread.as_deref(),
        )?;
        for warning in &workspace.warnings {
            self.output.warn(warning).await;
        }
        let started = RunnerEvent::Started {
            cwd: &workspace.cwd.to_string_lossy(),
            repository: &config.repository.to_string_lossy(),
            commit: workspace.baseline.commit(),
            branch: workspace.branch.as_deref(),
            codex_version: version.as_deref(),
        };
        self.output.tell(&started).await;
        Ok(Prepared {
            workspace,
            exec,
            _forwarder: forwarder,
        })
    }

    fn git(&self) -> Result<Git, String> {
        let temporary = &self.config.temporary;
        Git::new(self.reaper.clone(), &self.config.path, temporary)
            .map_err(|error| format!("cannot write to {}: {error}", temporary.display()))
    }

    async fn run_codex(&self, mut prepared: Prepared) -> Result<End, RunnerError> {
        let running = self.clock.begin(Stage::Codex);
        let exec = &mut prepared.exec;
        let mut process =
            self.reaper
                .spawn(&mut exec.command())
                .map_err(|source| RunnerError::CodexMissing {
                    path: self.config.codex.clone(),
                    source,
                })?;
        let mut last_complaint = None;
        let ended = self.follow(&mut process, exec, &mut last_complaint).await;
        drop(running);
        self.write_patch(&prepared.workspace.baseline).await;
        if let Some(thread) = prepared.exec.thread() {
            let _uploading = self.clock.begin(Stage::Upload);
            self.keep_session(thread).await;
        }
        if self.output.is_broken() {
            return Err(RunnerError::OutputGone);
        }
        let said = prepared
            .exec
            .failure()
            .map(str::to_owned)
            .or(last_complaint);
        Ok(End::of_codex(&ended, said))
    }

    /// Passes on what Codex writes until it and everything that it started has gone.
    async fn follow(
        &self,
        process: &mut Process,
        engine: &mut impl Engine,
        last_complaint: &mut Option<String>,
    ) -> Ended {
        let (stdin, stdout, stderr) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let input = engine.input().to_owned();
        let passing = async {
            tokio::join!(
                pump::feed(stdin, &input),
                pump::pass_stdout(stdout, engine, &self.output),
                pump::pass_stderr(stderr, last_complaint, &self.output),
            );
        };
        let ending = async {
            let ended = self.end_of(process).await;
            self.reaper.end_all().await;
            ended
        };
        tokio::pin!(passing, ending);
        let mut is_passing = true;
        let ended = loop {
            tokio::select! {
                ended = &mut ending => break ended,
                () = &mut passing, if is_passing => is_passing = false,
            }
        };
        if is_passing {
            tokio::select! {
                () = &mut passing => {}
                () = self.output.broken() => {}
                () = self.shutdown.over(Phase::Drain) => {}
                () = tokio::time::sleep(DRAIN_LIMIT) => {}
            }
        }
        ended
    }

    /// Waits for the end of Codex, and brings it about when the runner is told to stop.
    async fn end_of(&self, process: &mut Process) -> Ended {
        tokio::select! {
            status = process.wait() => return Ended { status, was_stopped: false },
            () = self.shutdown.requested() => {}
            () = self.output.broken() => {
                self.reaper.kill_all().await;
                return Ended { status: process.wait().await, was_stopped: true };
            }
        }
        for (signal, phase) in [
            (Signal::SIGINT, Phase::Interrupt),
            (Signal::SIGTERM, Phase::Terminate),
        ] {
            process.signal(signal);
            tokio::select! {
                status = process.wait() => return Ended { status, was_stopped: true },
                () = self.shutdown.over(phase) => {}
            }
        }
        self.reaper.kill_all().await;
        tokio::select! {
            status = process.wait() => Ended { status, was_stopped: true },
            // It hangs in the kernel, where nothing reaches it.
            () = self.shutdown.over(Phase::Drain) => Ended {
                status: ExitStatus::from_raw(Signal::SIGKILL as i32),
                was_stopped: true,
            },
        }
    }

    async fn write_patch(&self, baseline: &Baseline) {
        let _capturing = self.clock.begin(Stage::Patch);
        let capture = async {
            let git = self.git()?;
            let patch = patch::capture(&git, baseline, &self.config.workspace).await;
            patch.map_err(|error| error.to_string())
        };
        let patch = tokio::select! {
            patch = capture => patch,
            () = self.shutdown.over(Phase::Patch) => Err("the task had to stop before it was ready".to_owned()),
            () = tokio::time::sleep(PATCH_LIMIT) => Err(format!("it took more than {} s", PATCH_LIMIT.as_secs())),
            () = self.output.broken() => return,
        };
        match patch {
            Ok(None) => {}
            Ok(Some(patch)) => {
                let event = RunnerEvent::Patch {
                    patch: &patch.text,
                    bytes: patch.text.len(),
                    files: patch.files,
                    truncated: patch.truncated,
                };
                self.output.tell(&event).await;
            }
            Err(error) => {
                let message = format!("there is no patch of what the task changed: {error}");
                self.output.warn(&message).await;
            }
        }
    }
}
