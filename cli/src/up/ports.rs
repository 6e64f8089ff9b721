//! Loopback ports: picked by the kernel at the first start, kept from then on.
//!
//! Pods outlive `up`, and what is in them goes on talking to the same port. So the ports are the same after the next start, unless
//! somebody else has taken one in between.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
};

use super::{error::UpError, layout::write_private};

/// The ports of the parts by `part.purpose`.
#[derive(Debug)]
pub struct Ports {
    file: PathBuf,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads the file. One that is missing or broken means that ports are picked anew.
    #[must_use]
    pub fn open(file: PathBuf) -> Self {
        let known = fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { file, known }
    }

    /// Where a part shall listen: its old port if that is free, otherwise one that the kernel picks.
    #[must_use]
    pub fn address(&self, name: &str) -> SocketAddr {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match self.known.get(name) {
            Some(port) if probe(loopback(*port)).is_ok() => loopback(*port),
            _ => loopback(0),
        }
    }

    /// Remembers the port that a part listens on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remember(&mut self, name: &str, port: u16) -> Result<(), UpError> {
        if self.known.insert(name.to_owned(), port) == Some(port) {
            return Ok(());
        }
        let text = serde_json::json!(self.known).to_string();
        write_private(&self.file, text.as_bytes())
    }
}

/// Tries whether an address can be listened on, and lets go of it again.
///
/// # Errors
/// Why it cannot.
pub fn probe(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_while_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ports.json");
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        Ports::open(file.clone())
            .remember("proxy.url", port)
            .unwrap();

        let ports = Ports::open(file);
        assert_eq!(
            ports.address("proxy.url").port(),
            0,
            "somebody else holds it"
        );
        drop(held);
        assert_eq!(ports.address("proxy.url").port(), port);
        assert_eq!(ports.address("other.url").port(), 0);
    }

    #[test]
    fn a_broken_file_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ports.json");
        fs::write(&file, "{").unwrap();
        assert_eq!(Ports::open(file).address("x").port(), 0);
    }
}
