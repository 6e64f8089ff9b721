//! The live log in a real Redis, which dies and comes back without data.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use codex_crds::Phase;
use codex_tasklog::{LiveLog as _, RedisConfig, RedisStore};
use serde_json::json;

use crate::support::{World, eventually, lines, whole};

/// A server on a socket in a folder of the test.
struct Redis {
    socket: PathBuf,
    process: Child,
}

impl Redis {
    fn start(socket: PathBuf) -> Self {
        let program = std::env::var_os("CODEX_REDIS_BIN").unwrap_or_else(|| "redis-server".into());
        let process = Command::new(program)
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server 7 or later is installed: scripts/install-test-tools does that");
        Self { socket, process }
    }

    fn address(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_everything_costs_no_line() {
    let mut world = World::new().await;
    let mut redis = Redis::start(world.setup.path("redis.sock"));
    world.setup.redis = Some(redis.address());
    let live = RedisStore::new(RedisConfig::new(&redis.address().into(), None).unwrap()).unwrap();
    let _operator = world.start();
    let id = world
        .submit(json!({"prompt": "Hello", "user": "ada"}))
        .await;
    let mut runner = world.run_pod(&id).await;
    world.until_phase(&id, Phase::Running).await;
    runner.line("before");
    let reached = async |last| {
        eventually(async || {
            live.last(&id)
                .await
                .is_ok_and(|reached| reached >= last)
                .then_some(())
        })
        .await
        .expect("the live log reaches the line");
    };
    reached(1).await;

    redis.kill();
    runner.line("while it is away");
    drop(redis);
    let _redis = Redis::start(world.setup.path("redis.sock"));
    runner.line("after");
    reached(3).await;

    runner.exit(0);
    world.until_phase(&id, Phase::Completed).await;
    let frames = world.archived(&id).await;
    assert_eq!(whole(&frames).exit_code, Some(0));
    assert_eq!(lines(&frames), ["before", "while it is away", "after"]);
}
