//! `shim network`: keeps the network of one Pod and forwards its connections to the cluster's services.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lifeline::{End, Lifeline};
use super::state::{ContainerDir, write_atomically};
use crate::node::sandbox::netns;
use crate::node::sandbox::plan::{NetworkPlan, PodNamespaces, ProcessId};

/// Name of the state file below the directory.
pub const NETWORK_STATE: &str = "network.json";
/// Name of the lock file below the directory, held as long as the process lives.
pub const NETWORK_LOCK: &str = "lock";

/// Connections of one Pod that are forwarded at a time. More wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 512;

/// What the process tells: the namespaces, or why there are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkState {
    /// The network is there.
    Ready(PodNamespaces),
    /// It could not be made.
    Failed {
        /// Why.
        message: String,
    },
}

pub(super) fn run(dir: &Path) -> io::Result<()> {
    let Some(_lock) = ContainerDir::new(dir).try_lock()? else {
        return Err(io::Error::other("another process keeps this network"));
    };
    let plan: NetworkPlan = super::read_plan()?;
    let lifeline = Lifeline::path(dir);
    let end = End::open(&lifeline)?;
    let listen: Vec<SocketAddr> = plan.services.iter().map(|service| service.listen).collect();
    let network = match netns::create(plan.host, &listen) {
        Ok(network) => network,
        Err(error) => {
            publish(
                dir,
                &NetworkState::Failed {
                    message: error.to_string(),
                },
            )?;
            return Err(error);
        }
    };
    let state = PodNamespaces {
        process: ProcessId::own()?,
        user_fd: network.user.as_raw_fd(),
        net_fd: network.net.as_raw_fd(),
        lifeline: Some(lifeline),
    };
    publish(dir, &NetworkState::Ready(state))?;
    // Nothing below needs root: connections go to loopback.
    netns::become_host_identity(plan.host)?;
    let services = network
        .listeners
        .into_iter()
        .zip(plan.services.iter().map(|service| service.target))
        .collect();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(forward(services, end))
}

fn publish(dir: &Path, state: &NetworkState) -> io::Result<()> {
    write_atomically(&dir.join(NETWORK_STATE), &serde_json::to_vec(state)?)?;
    let mut out = io::stdout().lock();
    let _ = out.write_all(b"\n").and_then(|()| out.flush());
    Ok(())
}

async fn forward(services: Vec<(TcpListener, SocketAddr)>, end: End) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let unused = unused(end)?;
    let tasks = TaskTracker::new();
    let shutdown = CancellationToken::new();
    for (listener, target) in services {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(serve(
            listener,
            target,
            tasks.clone(),
            shutdown.clone(),
        )));
    }
    tokio::select! {
        _ = terminate.recv() => {}
        () = unused => {}
    }
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// Ends when nobody needs the network any more.
fn unused(end: End) -> io::Result<impl Future<Output = ()>> {
    let (sender, ended) = tokio::sync::oneshot::channel();
    // Nothing but a thread can wait for a lock. It ends with the process.
    std::thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(move || match end.wait() {
            // Kept until the process ends, so that a node that comes meanwhile does not take this network for its own.
            Ok(lock) => {
                let _ = sender.send(lock);
            }
            Err(error) => eprintln!("shim: cannot see who needs the network: {error}"),
        })?;
    Ok(async move {
        match ended.await {
            Ok(lock) => std::mem::forget(lock),
            // Unknown, so it stays until the node ends it.
            Err(_) => std::future::pending().await,
        }
    })
}

async fn serve(
    listener: tokio::net::TcpListener,
    target: SocketAddr,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                tasks.spawn(shutdown.clone().run_until_cancelled_owned(async move {
                    connect(client, target).await;
                    drop(permit);
                }));
            }
            // Descriptors ran out, or the client went away again: neither ends the service.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

async fn connect(mut client: TcpStream, target: SocketAddr) {
    let _ = client.set_nodelay(true);
    match TcpStream::connect(target).await {
        Ok(mut server) => {
            let _ = server.set_nodelay(true);
            // An error here is either side hanging up, which the other side sees as the end of its connection.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
        // Reset instead of an orderly end, so that the client sees an error and not an empty answer.
        Err(_) => {
            let _ = client.set_zero_linger();
        }
    }
}
