//! `codex exec --json`: one prompt, one turn, one event a line.

use std::borrow::Cow;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{Engine, Line};
use crate::codex_home;
use crate::config::Config;
use crate::error::RunnerError;
use crate::process::Reaper;

/// How long `codex --version` may take.
const VERSION_LIMIT: Duration = Duration::from_secs(2);

/// One run of `codex exec`.
#[derive(Debug)]
pub struct Exec {
    command: ExecCommand,
    prompt: Vec<u8>,
    thread: Option<String>,
    turn_failure: Option<String>,
    last_error: Option<String>,
}

#[derive(Debug)]
struct ExecCommand {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: PathBuf,
}

impl Exec {
    /// Writes the configuration of Codex and reads the prompt. With `resume`, Codex goes on in that thread, whose session must be in
    /// its home.
    ///
    /// # Errors
    /// [`RunnerError::Workspace`] when a file cannot be written or read.
    pub fn prepare(
        config: &Config,
        forwarder: SocketAddr,
        cwd: &Path,
        resume: Option<&str>,
    ) -> Result<Self, RunnerError> {
        codex_home::write(config, forwarder).map_err(|error| {
            RunnerError::Workspace(format!(
                "cannot write to {}: {error}",
                config.codex_home.display()
            ))
        })?;
        let prompt = std::fs::read(&config.prompt_file).map_err(|error| {
            RunnerError::Workspace(format!(
                "cannot read the prompt in {}: {error}",
                config.prompt_file.display()
            ))
        })?;
        let command = ExecCommand {
            program: config.codex.clone(),
            args: args(config.model.as_deref(), cwd, resume),
            env: env(config),
            cwd: cwd.to_owned(),
        };
        Ok(Self {
            command,
            prompt,
            thread: None,
            turn_failure: None,
            last_error: None,
        })
    }
}

impl Engine for Exec {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.command.program);
        command
            .args(&self.command.args)
            .env_clear()
            .envs(self.command.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.command.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn input(&self) -> &[u8] {
        &self.prompt
    }

    fn observe(&mut self, line: &str) -> Line {
        // Serde would take an array for a structure, too.
        let object = Some(line).filter(|line| line.trim_start().starts_with('{'));
        let Some(head) = object.and_then(|line| serde_json::from_str::<Head<'_>>(line).ok()) else {
            return Line::Text;
        };
        match head.kind.as_ref() {
            // Not the end: Codex also says it when it tries again.
            "error" => {
                let error: Option<Message> = serde_json::from_str(line).ok();
                self.last_error = error.map(|error| error.message);
            }
            "turn.failed" => {
                let turn: Option<Failed> = serde_json::from_str(line).ok();
                self.turn_failure = turn.map(|turn| turn.error.message);
            }
            "thread.started" => {
                let started: Option<Started> = serde_json::from_str(line).ok();
                self.thread = started.map(|started| started.thread_id);
            }
            "turn.completed" => (self.turn_failure, self.last_error) = (None, None),
            _ => {}
        }
        Line::Event
    }

    fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    fn failure(&self) -> Option<&str> {
        self.turn_failure.as_deref().or(self.last_error.as_deref())
    }
}

/// Only the type is read: items may have duplicate keys, and everything else goes on as it is.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

#[derive(Deserialize)]
struct Started {
    thread_id: String,
}

#[derive(Deserialize)]
struct Failed {
    error: Message,
}

/// The prompt comes on standard input, because one argument holds no more than 128 KiB. Codex needs no sandbox of its own: the
/// Pod is one, and Codex's cannot be nested in it. The model is named again for a session that goes on: it is not part of it.
fn args(model: Option<&str>, cwd: &Path, resume: Option<&str>) -> Vec<OsString> {
    let fixed = [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "--dangerously-bypass-approvals-and-sandbox",
    ];
    let mut args: Vec<OsString> = fixed.map(OsString::from).into();
    if let Some(model) = model {
        args.extend(["-m".into(), model.into()]);
    }
    args.extend(["-C".into(), cwd.into()]);
    if let Some(thread) = resume {
        args.extend(["resume".into(), thread.into()]);
    }
    args.push("-".into());
    args
}

/// The whole environment of Codex. The task's own variables come first, so that they can never replace one of the others.
fn env(config: &Config) -> Vec<(OsString, OsString)> {
    let shell = ["/bin/bash", "/bin/sh"]
        .into_iter()
        .find(|shell| Path::new(shell).exists());
    let fixed = [
        ("HOME", config.codex_home.clone().into_os_string()),
        ("CODEX_HOME", config.codex_home.clone().into_os_string()),
        ("PATH", path(config)),
        ("TMPDIR", config.temporary.clone().into_os_string()),
        ("LANG", "C.UTF-8".into()),
        ("TERM", "dumb".into()),
        ("USER", "codex".into()),
        ("SHELL", shell.unwrap_or("/bin/sh").into()),
    ];
    let own = config
        .env
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    own.chain(fixed.map(|(name, value)| (name.into(), value)))
        .collect()
}

/// The package of Codex keeps its tools (`rg`) in a folder beside that of the program.
fn path(config: &Config) -> OsString {
    let tools = package(&config.codex).map(|package| package.join("codex-path"));
    let mut path = OsString::new();
    if let Some(tools) = tools.filter(|tools| tools.is_dir()) {
        path.push(tools);
        path.push(":");
    }
    path.push(&config.path);
    path
}

fn package(codex: &Path) -> Option<PathBuf> {
    Some(codex.parent()?.parent()?.to_owned())
}

/// The version of Codex: from the file of its package, or by asking the program. `None` when it does not say.
pub async fn version(config: &Config, reaper: &Reaper) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        version: String,
    }
    let package = package(&config.codex).map(|package| package.join("codex-package.json"));
    let file = package.and_then(|file| std::fs::read(file).ok());
    if let Some(package) = file.and_then(|text| serde_json::from_slice::<Package>(&text).ok()) {
        return Some(package.version);
    }
    let mut command = Command::new(&config.codex);
    command
        .arg("--version")
        .env_clear()
        .env("PATH", &config.path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = reaper.spawn(&mut command).ok()?;
    let mut text = String::new();
    let read = process.stdout.take()?.take(1024);
    let mut read = std::pin::pin!(read);
    tokio::time::timeout(VERSION_LIMIT, read.read_to_string(&mut text))
        .await
        .ok()?
        .ok()?;
    text.split_whitespace().last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec() -> Exec {
        let command = ExecCommand {
            program: PathBuf::new(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: PathBuf::new(),
        };
        Exec {
            command,
            prompt: Vec::new(),
            thread: None,
            turn_failure: None,
            last_error: None,
        }
    }

    #[test]
    fn events_are_objects_with_a_type() {
        let mut exec = exec();
        for line in [
            r#"{"type":"turn.started"}"#,
            r#"{"item":{"id":"1","id":"2"},"type":"item.completed"}"#,
            r#" {"type":"\u0061"} "#,
        ] {
            assert_eq!(exec.observe(line), Line::Event, "{line}");
        }
        for line in [
            "",
            "text",
            "1",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"["type"]"#,
            r#"{"type":"a"} x"#,
            r#"{"type":"a""#,
        ] {
            assert_eq!(exec.observe(line), Line::Text, "{line}");
        }
    }

    #[test]
    fn the_failure_of_the_turn_wins_over_errors_on_the_way() {
        let mut exec = exec();
        exec.observe(r#"{"type":"error","message":"Reconnecting... 1/5"}"#);
        assert_eq!(exec.failure(), Some("Reconnecting... 1/5"));
        exec.observe(r#"{"type":"turn.failed","error":{"message":"quota"}}"#);
        exec.observe(r#"{"type":"error","message":"later"}"#);
        assert_eq!(exec.failure(), Some("quota"));
        exec.observe(r#"{"type":"turn.completed","usage":{}}"#);
        assert_eq!(exec.failure(), None);
    }

    #[test]
    fn the_model_is_only_named_when_there_is_one() {
        let with: Vec<_> = args(Some("m"), Path::new("/workspace/a"), None);
        assert!(with.ends_with(&[
            "-m".into(),
            "m".into(),
            "-C".into(),
            "/workspace/a".into(),
            "-".into()
        ]));
        assert!(!args(None, Path::new("/workspace"), None).contains(&"-m".into()));
    }
}
