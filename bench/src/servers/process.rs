//! Servers as processes: started on their core, measured, and ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Kind, Programs, Redis};
use crate::load::Request;
use crate::publish::Publisher;
use crate::system::{self, Cores};

/// How long a server has to start, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How servers are started.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) cores: Cores,
    pub(crate) programs: Programs,
}

impl Peers {
    /// Why a server cannot take part.
    pub(crate) fn obstacle(&self, kind: Kind) -> Option<String> {
        let (name, paths, hint) = match kind {
            Kind::Nchan => (
                "nginx + nchan",
                vec![&self.programs.nginx, &self.programs.nchan_module],
                "apt install nginx libnginx-mod-nchan, or name the files with --nginx and --nchan-module",
            ),
            Kind::Xread | Kind::Publish | Kind::Store | Kind::Chain => (
                kind.name(),
                vec![&self.programs.redis_server],
                "apt install redis-server, or name the program with --redis-server",
            ),
            _ => return None,
        };
        let missing = paths.into_iter().find(|path| !path.exists())?;
        Some(format!(
            "{name} is left out: {} is not there (Debian: {hint})",
            missing.display()
        ))
    }

    /// Runs something on the core for servers.
    fn on_server_core<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        // A child inherits the core of the thread that starts it.
        system::pin(self.cores.server)?;
        let started = start();
        system::pin(self.cores.load)?;
        started
    }

    /// Starts a Redis on the core for servers.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start_redis(&self) -> Result<Redis> {
        self.on_server_core(|| Redis::start(&self.programs.redis_server))
    }

    /// Starts a process on the core for servers.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start_reader(&self, command: &mut Command) -> Result<Child> {
        self.on_server_core(|| Ok(command.spawn()?))
    }

    /// Starts a server on the core for servers.
    ///
    /// # Errors
    /// When it does not start, or does not listen in time.
    pub(crate) fn start(&self, kind: Kind) -> Result<Server> {
        let server = self.on_server_core(|| match kind {
            Kind::Nchan => start_nginx(&self.programs),
            _ => start_own(kind, None),
        });
        server.with_context(|| format!("starting {}", kind.name()))
    }

    /// Starts the gateway's streams of logs in Redis, on the core for servers.
    ///
    /// # Errors
    /// When they do not start.
    pub(crate) fn start_chain(&self, redis: &Redis) -> Result<Server> {
        self.on_server_core(|| start_own(Kind::Chain, Some(redis.port)))
            .with_context(|| format!("starting {}", Kind::Chain.name()))
    }
}

/// A server that runs. It ends when this is dropped.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    clients: SocketAddr,
    feed: SocketAddr,
    _folder: Option<TempDir>,
}

impl Server {
    /// What the clients of task 0 ask for.
    pub(crate) fn request(&self) -> Request {
        self.request_of(0)
    }

    /// What the clients of a task ask for.
    pub(crate) fn request_of(&self, task: usize) -> Request {
        Request {
            server: self.clients,
            path: self.kind.path(task),
            receive_buffer: None,
        }
    }

    /// Gives it lines.
    ///
    /// # Errors
    /// When it does not listen.
    pub(crate) fn publisher(&self) -> Result<Publisher> {
        match self.kind {
            Kind::Nchan => Publisher::post(self.feed, "/pub/"),
            _ => Publisher::feed(self.feed),
        }
    }

    /// The processor time that it took so far.
    ///
    /// # Errors
    /// When it ended.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        system::cpu_time(self.child.id())
    }

    /// Its memory, in bytes.
    ///
    /// # Errors
    /// When it ended.
    pub(crate) fn memory(&self) -> Result<u64> {
        system::memory(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx takes its workers along on SIGTERM, but not on SIGKILL.
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        if let Ok(pid) = pid {
            let _ = kill(pid, Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn start_own(kind: Kind, redis: Option<u16>) -> Result<Server> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve", &kind.argument()])
        .args(redis.map(|port| format!("--redis={port}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().context("no output of the server")?;
    BufReader::new(output).read_line(&mut line)?;
    let ports: Vec<u16> = line
        .split_whitespace()
        .filter_map(|port| port.parse().ok())
        .collect();
    let [clients, feed] = ports[..] else {
        let _ = child.kill();
        let _ = child.wait();
        bail!("the server says {line:?} instead of its ports");
    };
    Ok(Server {
        kind,
        child,
        clients: loopback(clients),
        feed: loopback(feed),
        _folder: None,
    })
}

fn start_nginx(paths: &Programs) -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let config = folder.path().join("nginx.conf");
    fs::write(
        &config,
        nginx_config(folder.path(), &paths.nchan_module, port),
    )?;
    let child = Command::new(&paths.nginx)
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(&config)
        .args(["-e", "stderr"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let mut server = Server {
        kind: Kind::Nchan,
        child,
        clients: loopback(port),
        feed: loopback(port),
        _folder: Some(folder),
    };
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(server.clients).is_err() {
        ensure!(
            matches!(server.child.try_wait(), Ok(None)) && Instant::now() < deadline,
            "nginx does not listen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(server)
}

/// nginx cannot say which port it got, so one that is free now is asked for.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn nginx_config(folder: &Path, module: &Path, port: u16) -> String {
    let (folder, module) = (folder.display(), module.display());
    format!(
        r#"load_module "{module}";
daemon off;
worker_processes 1;
pid "{folder}/nginx.pid";
error_log stderr error;
events {{ worker_connections 15000; multi_accept on; }}
http {{
  access_log off;
  tcp_nodelay on;
  client_body_temp_path "{folder}/body";
  proxy_temp_path "{folder}/proxy";
  fastcgi_temp_path "{folder}/fastcgi";
  uwsgi_temp_path "{folder}/uwsgi";
  scgi_temp_path "{folder}/scgi";
  client_body_buffer_size 1m;
  client_max_body_size 1m;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512m;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/pub/(\w+)$ {{
      nchan_publisher;
      nchan_channel_id $1;
      nchan_message_buffer_length 20000;
      nchan_message_timeout 10m;
    }}
    location ~ ^/sub/(\w+)$ {{
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message oldest;
    }}
  }}
}}
"#
    )
}
