//! The connection for commands: made when needed, made anew when it breaks or leads to a server that cannot write.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, InfoDict, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::names::Names;
use crate::error::LogError;

const CONNECT: Duration = Duration::from_secs(3);
const RESPONSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// For how long a request is repeated before its caller hears of it; a usual failover takes longer than that, a restart less.
const PATIENCE: Duration = Duration::from_secs(2);

/// The scripts. One script does the check of the numbers, the append, the accounting and the publication, because they have to
/// happen together: with a pipeline, a second writer could come between the check and the append, and a limit
/// could be passed or a published entry refused.
const SCRIPTS: [&str; 4] = [
    concat!(
        "#!lua\n",
        include_str!("append.lua"),
        include_str!("common.lua"),
        include_str!("grow.lua")
    ),
    concat!(
        "#!lua flags=allow-oom\n",
        include_str!("common.lua"),
        include_str!("trim.lua")
    ),
    concat!(
        "#!lua flags=allow-oom\n",
        include_str!("common.lua"),
        include_str!("remove.lua")
    ),
    concat!(
        "#!lua flags=no-writes\n",
        include_str!("common.lua"),
        include_str!("read.lua")
    ),
];

/// A script; the number is its place in [`SCRIPTS`]. All but appending also run when Redis is out of memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    Append = 0,
    Trim = 1,
    Remove = 2,
    Read = 3,
}

/// A script with what it is given. It may run twice when an answer is lost, so it must not matter when it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub script: Script,
    pub names: &'a Names,
    /// What stands between the task and the payload.
    pub numbers: &'a [u64],
    /// Empty where the script wants none.
    pub payload: &'a [u8],
}

impl Request<'_> {
    fn command(&self, hashes: &Hashes) -> Cmd {
        let keys = self.names.keys();
        let mut command = Cmd::new();
        command
            .arg("EVALSHA")
            .arg(&hashes[self.script as usize])
            .arg(keys.len())
            .arg(&keys)
            .arg(&self.names.task)
            .arg(self.numbers);
        if !self.payload.is_empty() {
            command.arg(self.payload);
        }
        command
    }
}

/// How a server names the scripts.
type Hashes = [String; SCRIPTS.len()];

pub(super) struct Link {
    client: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connected: Option<Connected>,
    /// Which connection this is; each has its own number.
    epoch: u64,
    /// Why connecting failed, and until when nobody tries again.
    failed: Option<(RedisError, Instant)>,
    pause: Duration,
}

#[derive(Clone)]
struct Connected {
    connection: MultiplexedConnection,
    epoch: u64,
    hashes: Arc<Hashes>,
}

enum Remedy {
    Reconnect,
    Wait,
    None,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            state: Mutex::default(),
        }
    }

    /// Asks, and repeats it for a while when the server is away, loading or not the primary.
    pub(super) async fn ask(&self, request: Request<'_>) -> Result<Value, LogError> {
        let answers = self.ask_all(&[request]).await?;
        let missing = || LogError::Damaged("Redis does not answer a script".into());
        answers.into_iter().next().ok_or_else(missing)
    }

    /// Asks several things in one go, likewise; the answers are in the same order. They are repeated together.
    pub(super) async fn ask_all(&self, requests: &[Request<'_>]) -> Result<Vec<Value>, LogError> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.try_ask(requests).await {
                Ok(values) => return Ok(values),
                Err(error) => error,
            };
            if matches!(remedy(&error), Remedy::None) || Instant::now() + pause >= deadline {
                return Err(unavailable(&error));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn try_ask(&self, requests: &[Request<'_>]) -> RedisResult<Vec<Value>> {
        let mut connected = self.connected().await?;
        let connection = &mut connected.connection;
        let answers = if let [request] = requests {
            let command = request.command(&connected.hashes);
            command
                .query_async(connection)
                .await
                .map(|answer| vec![answer])
        } else {
            let mut pipeline = Pipeline::with_capacity(requests.len());
            for request in requests {
                pipeline.add_command(request.command(&connected.hashes));
            }
            pipeline.query_async(connection).await
        };
        if let Err(error) = &answers
            && matches!(remedy(error), Remedy::Reconnect)
        {
            self.forget(connected.epoch).await;
        }
        answers
    }

    async fn forget(&self, epoch: u64) {
        let mut state = self.state.lock().await;
        if state.epoch == epoch {
            state.connected = None;
        }
    }

    async fn connected(&self) -> RedisResult<Connected> {
        let mut state = self.state.lock().await;
        if let Some(connected) = &state.connected {
            return Ok(connected.clone());
        }
        // Whoever waited for this lock while connecting failed does not try again by itself.
        if let Some((error, until)) = &state.failed
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        match self.connect(state.epoch + 1).await {
            Ok(connected) => {
                state.epoch += 1;
                state.pause = FIRST_PAUSE;
                state.failed = None;
                state.connected = Some(connected.clone());
                Ok(connected)
            }
            Err(error) => {
                state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
                state.failed = Some((error.clone(), Instant::now() + state.pause));
                Err(error)
            }
        }
    }

    async fn connect(&self, epoch: u64) -> RedisResult<Connected> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE));
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut load = Pipeline::new();
        for script in SCRIPTS {
            load.cmd("SCRIPT").arg("LOAD").arg(script);
        }
        let hashes: Hashes = load.query_async(&mut connection).await?;
        warn_of_eviction(&mut connection).await;
        Ok(Connected {
            connection,
            epoch,
            hashes: Arc::new(hashes),
        })
    }
}

/// Logs are in use until they are removed, and nothing says so to Redis but the policy.
async fn warn_of_eviction(connection: &mut MultiplexedConnection) {
    let info: RedisResult<InfoDict> = Cmd::new()
        .arg("INFO")
        .arg("memory")
        .query_async(connection)
        .await;
    // Whether it evicts is not worth failing for, where this may not be asked.
    let policy = info.ok().and_then(|info| info.get("maxmemory_policy"));
    if let Some(policy) = policy.filter(|policy: &String| policy != "noeviction") {
        tracing::warn!(
            redis.policy = policy,
            "Redis may drop live logs when its memory runs out, and they are then written again; set maxmemory-policy noeviction"
        );
    }
}

/// What helps against an error, if anything does.
fn remedy(error: &RedisError) -> Remedy {
    match error.kind() {
        ErrorKind::Server(kind) => match kind {
            // A server that was demoted keeps its connections; a new connection leads to the primary.
            ServerErrorKind::ReadOnly
            | ServerErrorKind::MasterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::ClusterDown
            // A server that restarted behind a proxy does not know the scripts.
            | ServerErrorKind::NoScript => Remedy::Reconnect,
            ServerErrorKind::BusyLoading | ServerErrorKind::TryAgain => Remedy::Wait,
            _ => Remedy::None,
        },
        // Codes that the library does not know, out of memory among them: nothing that helps within seconds.
        ErrorKind::Extension | ErrorKind::InvalidClientConfig | ErrorKind::AuthenticationFailed => {
            Remedy::None
        }
        _ => Remedy::Reconnect,
    }
}

/// Every error of Redis may be gone at the next try: none of them says anything about the log.
pub(super) fn unavailable(error: &RedisError) -> LogError {
    let kind = if error.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::Other
    };
    LogError::Unavailable(io::Error::new(kind, format!("Redis: {error}")))
}
