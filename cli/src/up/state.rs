//! `run.json`: what runs now, for people, tests and the next start.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

use super::{error::UpError, layout::write_private, progress::Progress};

/// How long processes of an earlier run get to end by themselves.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);
/// How often they are looked at.
const POLL: Duration = Duration::from_millis(25);

/// The content of `run.json`.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct RunState {
    /// The process id of `codex-remote up`.
    pub supervisor: u32,
    /// The gateway's address, when everything is ready.
    pub url: Option<String>,
    /// The administrator's kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The processes by the names of the parts.
    pub processes: BTreeMap<String, ProcessState>,
}

/// A process of the present run.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct ProcessState {
    /// Its process id.
    pub pid: u32,
    /// When the process began, in clock ticks since boot: tells it from a later one with the same id.
    pub start_ticks: u64,
    /// Whether it has said that it is ready.
    pub ready: bool,
    /// Its address, when it has one.
    pub url: Option<String>,
    /// Its log.
    pub log: PathBuf,
    /// How often it was started again.
    pub restarts: u32,
}

/// Keeps `run.json` up to date.
#[derive(Debug)]
pub struct Board {
    file: PathBuf,
    state: Mutex<RunState>,
    progress: Progress,
}

impl Board {
    /// A board for a new run.
    #[must_use]
    pub fn new(file: PathBuf, progress: Progress) -> Self {
        let state = RunState {
            supervisor: std::process::id(),
            ..RunState::default()
        };
        Self {
            file,
            state: Mutex::new(state),
            progress,
        }
    }

    /// Changes the state and writes the file. A file that cannot be written is reported and nothing more: what runs goes on.
    pub fn update(&self, change: impl FnOnce(&mut RunState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let text = serde_json::to_vec_pretty(&*state).unwrap_or_default();
        if let Err(error) = write_private(&self.file, &text) {
            self.progress.warn(error.to_string());
        }
    }

    /// Changes the entry of one part, which is added when it is new.
    pub fn update_process(&self, name: &str, log: &Path, change: impl FnOnce(&mut ProcessState)) {
        self.update(|state| {
            let entry = state.processes.entry(name.to_owned());
            change(entry.or_insert_with(|| ProcessState {
                log: log.to_owned(),
                ..ProcessState::default()
            }));
        });
    }

    /// Removes the file: nothing runs any more.
    pub fn clear(&self) {
        // Missing is as good as removed.
        let _ = fs::remove_file(&self.file);
    }
}

/// When the process began, in clock ticks since boot; none when there is no such process.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything; count from its end. Field 3 is the state, 22 the start.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Waits for the processes of a run whose supervisor was killed. The kernel has told them to stop; those that don't are killed.
///
/// # Errors
/// When one survives even that.
pub async fn await_leftovers(file: &Path, progress: Progress) -> Result<(), UpError> {
    // A file that is missing or broken names nobody.
    let state: RunState = fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut alive = state.processes;
    alive.retain(|_, process| is_alive(process));
    if alive.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = alive
        .iter()
        .map(|(name, process)| format!("{name} ({})", process.pid))
        .collect();
    progress.line(format!(
        "waiting for processes of the last run to end: {}",
        names.join(", ")
    ));
    for (signal, patience) in [
        (Signal::SIGTERM, LEFTOVER_PATIENCE),
        (Signal::SIGKILL, LEFTOVER_PATIENCE),
    ] {
        for (name, process) in &alive {
            // SIGTERM would make PostgreSQL wait for its clients; it has had its SIGINT from the kernel.
            if signal == Signal::SIGKILL || name != super::postgres::NAME {
                // It may have ended since it was looked at.
                let _ = kill(Pid::from_raw(process.pid.cast_signed()), signal);
            }
        }
        let deadline = tokio::time::Instant::now() + patience;
        while !alive.is_empty() && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
            alive.retain(|_, process| is_alive(process));
        }
    }
    match alive.first_key_value() {
        None => Ok(()),
        Some((name, process)) => Err(UpError::System {
            what: format!(
                "process {} ({name}) of the last run does not end",
                process.pid
            ),
            source: std::io::Error::other("end it by hand"),
        }),
    }
}

fn is_alive(process: &ProcessState) -> bool {
    start_ticks(process.pid).is_some_and(|ticks| ticks == process.start_ticks)
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn state_of(child: &Child, start_ticks: u64) -> RunState {
        RunState {
            processes: BTreeMap::from([(
                "gateway".to_owned(),
                ProcessState {
                    pid: child.id(),
                    start_ticks,
                    ready: true,
                    ..ProcessState::default()
                },
            )]),
            ..RunState::default()
        }
    }

    #[tokio::test]
    async fn leftovers_are_ended_and_strangers_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("run.json");
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let ticks = start_ticks(child.id()).unwrap();

        // The same number, but another process.
        fs::write(
            &file,
            serde_json::to_vec(&state_of(&child, ticks + 1)).unwrap(),
        )
        .unwrap();
        await_leftovers(&file, Progress).await.unwrap();
        assert!(child.try_wait().unwrap().is_none(), "a stranger was ended");

        fs::write(&file, serde_json::to_vec(&state_of(&child, ticks)).unwrap()).unwrap();
        await_leftovers(&file, Progress).await.unwrap();
        assert!(!child.wait().unwrap().success());
    }

    #[tokio::test]
    async fn no_file_or_a_broken_one_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("run.json");
        await_leftovers(&file, Progress).await.unwrap();
        fs::write(&file, "{").unwrap();
        await_leftovers(&file, Progress).await.unwrap();
    }
}
