//! The live store, as configured.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use codex_tasklog::{
    LiveLocation, LiveLog, LiveLogWriter, MemoryStore, RedisConfig, RedisStore, hub,
};
use tokio::net::UnixListener;

use crate::config::Config;
use crate::error::Error;
use crate::supervisor::Supervisor;

/// Opens the live store, and lends it to the other processes of this machine.
///
/// # Errors
/// [`Error::Listen`] when the socket cannot be made, [`Error::Log`] when the address, the password or the
/// certificate authorities of Redis cannot be used. A Redis that is away is none: frames wait for it.
pub fn open_live(
    config: &Config,
    supervisor: &Supervisor,
) -> Result<Arc<dyn LiveLogWriter>, Error> {
    match &config.live_store {
        LiveLocation::Hub(path) => {
            let listener = bind(path).map_err(|source| Error::Listen {
                address: path.display().to_string(),
                source,
            })?;
            let store = MemoryStore::new(config.live_limits());
            let shared: Arc<dyn LiveLog> = Arc::new(store.clone());
            supervisor.spawn_vital(
                "the log hub",
                hub::serve(listener, shared, supervisor.shutdown()),
            );
            Ok(Arc::new(store))
        }
        LiveLocation::Redis(address) => {
            let mut redis = RedisConfig::new(address, config.redis_password.as_ref())?;
            if let Some(file) = &config.redis_ca_file {
                redis = redis.with_authorities(file)?;
            }
            redis.limits = config.live_limits();
            redis.linger = config.live_linger().max(redis.linger);
            Ok(Arc::new(RedisStore::new(redis)?))
        }
    }
}

/// The socket appears under its name only after its mode is set, so nobody else can ever connect; a socket that a dead process
/// left there is replaced.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&fresh)?;
    std::fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_by_a_private_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.sock");
        drop(bind(&path).unwrap());
        let _listener = bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        tokio::net::UnixStream::connect(&path).await.unwrap();
    }
}
