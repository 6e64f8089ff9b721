//! The real Codex against a demo model.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::Model;

/// Finds the Codex binary: `CODEX_BIN`, or the npm package in the repository's `node_modules`.
pub fn codex() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CODEX_BIN") {
        return Some(path.into());
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../node_modules/@openai/codex-linux-x64/vendor");
    let mut targets = package.read_dir().ok()?;
    targets.find_map(|target| {
        Some(target.ok()?.path().join("bin/codex")).filter(|path| path.is_file())
    })
}

/// A Codex home and a workspace of their own.
pub struct Sandbox {
    pub codex: PathBuf,
    home: TempDir,
    pub workspace: TempDir,
}

/// How a run of Codex ended.
pub struct Run {
    pub exit_code: Option<i32>,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Sandbox {
    /// `None` when there is no Codex to run.
    pub fn new(model: &Model) -> Option<Self> {
        let codex = codex()?;
        // Codex refuses to put its helpers under the system's temporary folder, and says so on stderr.
        let home = tempfile::Builder::new()
            .prefix("codex-home-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let config = CONFIG.replace("ADDRESS", &model.address.to_string());
        std::fs::write(home.path().join("config.toml"), config).unwrap();
        Some(Self {
            codex,
            home,
            workspace: tempfile::tempdir().unwrap(),
        })
    }

    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.workspace.path().join(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.workspace.path().join(file)).unwrap()
    }

    /// Runs `codex exec` with these further arguments and the prompt on standard input.
    pub async fn exec(&self, arguments: &[&str], prompt: &str) -> Run {
        let mut child = Command::new(&self.codex)
            .env_clear()
            .env("HOME", self.home.path())
            .env("CODEX_HOME", self.home.path())
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(self.workspace.path())
            .args([
                "exec",
                "--dangerously-bypass-approvals-and-sandbox",
                "--skip-git-repo-check",
            ])
            .args(arguments)
            .args(["--json", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(prompt.as_bytes()).await.unwrap();
        drop(stdin);
        let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output())
            .await
            .unwrap()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        Run {
            exit_code: output.status.code(),
            events: stdout
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Run {
    /// The completed items of one type.
    pub fn items(&self, kind: &str) -> Vec<&Value> {
        let completed = self
            .events
            .iter()
            .filter(|event| event["type"] == "item.completed");
        completed
            .map(|event| &event["item"])
            .filter(|item| item["type"] == kind)
            .collect()
    }

    pub fn messages(&self) -> Vec<&str> {
        self.items("agent_message")
            .iter()
            .map(|item| item["text"].as_str().unwrap())
            .collect()
    }

    pub fn thread_id(&self) -> &str {
        self.events[0]["thread_id"].as_str().unwrap()
    }

    #[track_caller]
    pub fn assert_exit(&self, code: i32) {
        assert_eq!(
            self.exit_code,
            Some(code),
            "events: {:#?}\nstderr: {}",
            self.events,
            self.stderr
        );
    }
}

const CONFIG: &str = r#"
model = "gpt-5.5"
model_provider = "proxy"
check_for_update_on_startup = false
allow_login_shell = false

[tools.update_plan]
enabled = true

[analytics]
enabled = false

[feedback]
enabled = false

[features]
plugins = false
apps = false
remote_plugin = false
unbounded_connection_retries = false

[model_providers.proxy]
name = "proxy"
base_url = "http://ADDRESS/v1"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 2
"#;
