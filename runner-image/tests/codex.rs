//! The real Codex CLI with the demo model. Without one (`CODEX_BIN`, or `npm ci`) these tests say so and end.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use codex_demo_model::{ApiKey, Options, serve};
use nix::sys::signal::Signal;
use support::{TOKEN, Task, is_alive};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A demo model that only takes the token of the task. It stops when this is dropped.
struct Model {
    url: String,
    stop: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Model {
    fn start() -> Self {
        let (sender, address) = std::sync::mpsc::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                let options = Options {
                    key: Some(ApiKey::new(TOKEN)),
                    ..Options::default()
                };
                serve(listener, options, stopped).await.unwrap();
            });
        });
        Self {
            url: format!("http://{}", address.recv().unwrap()),
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(std::thread::JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(()))),
            "the model failed"
        );
    }
}

fn codex() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CODEX_BIN") {
        return Some(path.into());
    }
    let vendor = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../node_modules/@openai/codex-linux-x64/vendor");
    let mut targets = vendor.read_dir().ok()?;
    targets.find_map(|target| {
        Some(target.ok()?.path().join("bin/codex")).filter(|path| path.is_file())
    })
}

/// A task for the real Codex in a small repository.
fn task(model: &Model, prompt: impl Into<Vec<u8>>) -> Option<Task> {
    let Some(codex) = codex() else {
        eprintln!("skipped: no Codex binary; run `npm ci` or set CODEX_BIN");
        return None;
    };
    let task = Task::new(prompt);
    task.write("README.md", "# Lighthouse\n\nIt shines.\n");
    task.commit_all();
    Some(
        task.env("CODEX_BIN", codex)
            .env("CODEX_MODEL", "gpt-5.5")
            .env("CODEX_POD_PROXY_URL", &model.url),
    )
}

#[test]
fn a_task_works_from_the_prompt_to_the_patch() {
    let model = Model::start();
    let Some(task) = task(&model, "Add a note to the README.") else {
        return;
    };
    let done = task.run();
    done.assert_exit(0);
    done.assert_end(Some(0), None);
    assert_eq!(
        done.log.events("runner.started")[0]["codex_version"],
        "0.169.0"
    );
    assert_eq!(done.log.events("thread.started").len(), 1);
    assert_eq!(done.log.events("turn.completed").len(), 1);
    let items: Vec<_> = done
        .log
        .events("item.completed")
        .iter()
        .map(|event| event["item"]["type"].clone())
        .collect();
    for kind in [
        "command_execution",
        "file_change",
        "agent_message",
        "todo_list",
    ] {
        assert!(items.iter().any(|item| item == kind), "{kind}: {items:?}");
    }
    let patch = done.patch();
    assert_eq!(patch["files"], 2);
    assert!(
        patch["patch"]
            .as_str()
            .unwrap()
            .contains("+++ b/codex-demo.md")
    );
    assert!(done.log.stdout().is_empty(), "{:?}", done.log.stdout());
    assert!(done.log.stderr().is_empty(), "{:?}", done.log.stderr());
}

#[test]
fn a_model_that_fails_ends_the_task_soon_and_says_why() {
    let model = Model::start();
    for status in [400, 500] {
        let Some(task) = task(&model, format!("[demo:error {status}]")) else {
            return;
        };
        let done = task.run();
        done.assert_exit(1);
        done.assert_end(Some(1), Some("ExitCode"));
        assert!(
            done.end().message.as_deref().unwrap().len() > 10,
            "{:?}",
            done.end()
        );
        assert!(
            done.took < Duration::from_secs(20),
            "{status}: {:?}",
            done.took
        );
    }
}

#[test]
fn a_proxy_that_is_away_ends_the_task_soon_and_says_why() {
    let model = Model::start();
    let Some(task) = task(&model, "[demo:say hello]") else {
        return;
    };
    let done = task.env("CODEX_POD_PROXY_URL", "http://127.0.0.1:1").run();
    done.assert_end(Some(1), Some("ExitCode"));
    assert!(
        done.end().message.as_deref().unwrap().contains("pod-proxy"),
        "{:?}",
        done.end()
    );
    assert!(done.took < Duration::from_secs(20), "{:?}", done.took);
}

#[test]
fn a_prompt_of_256_kib_reaches_the_model() {
    let model = Model::start();
    let prompt = format!(
        "[demo:say read it all]\n{}",
        "word ".repeat(256 * 1024 / 5 - 10)
    );
    let Some(task) = task(&model, prompt) else {
        return;
    };
    let done = task.run();
    done.assert_end(Some(0), None);
    let messages = done.log.events("item.completed");
    assert!(
        messages
            .iter()
            .any(|event| event["item"]["text"] == "read it all"),
        "{messages:?}"
    );
}

#[test]
fn cancelling_is_quick_and_leaves_nothing() {
    let model = Model::start();
    // The child has a session of its own, which Codex does not end.
    let Some(task) = task(
        &model,
        "[demo:shell setsid sleep 300 & echo $! > child; echo started > sign; sleep 300]",
    ) else {
        return;
    };
    let sign = task.workspace().join("sign");
    let child = task.workspace().join("child");
    let running = task.start();
    support::wait_until(|| sign.exists());
    let child = std::fs::read_to_string(child).unwrap();
    assert!(is_alive(child.trim()));
    let asked = Instant::now();
    running.signal(Signal::SIGTERM);
    let done = running.finish();
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    done.assert_end(Some(1), Some("Canceled"));
    assert!(!is_alive(child.trim()));
    assert_eq!(done.patch()["files"], 2);
}
