//! A real nginx with the configuration that is recommended, on ports of its own.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::client::Client;
use super::until;

const CONFIG: &str = include_str!("../../../../deploy/nginx.conf");

pub struct Nginx {
    pub port: u16,
    certificate: String,
    folder: tempfile::TempDir,
    process: Child,
}

impl Nginx {
    /// Starts it before two gateways, given by address.
    pub async fn start(gateways: [&str; 2]) -> Self {
        // Whoever installed a provider before is fine: it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        std::fs::write(folder.path().join("codex.crt"), &certificate).unwrap();
        std::fs::write(
            folder.path().join("codex.key"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        // A port may be gone between the look and the start.
        for _ in 0..10 {
            let [plain, port] = free_ports();
            let config = config(folder.path(), gateways, plain, port);
            let path = folder.path().join("nginx.conf");
            std::fs::write(&path, config).unwrap();
            let mut process = program()
                .arg("-c")
                .arg(&path)
                .args(["-g", "daemon off;"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("these tests need nginx: run scripts/install-test-tools");
            let listens = until("nginx to listen or to end", async || {
                if process.try_wait().unwrap().is_some() {
                    return Some(false);
                }
                TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
            });
            if listens.await {
                return Self {
                    port,
                    certificate,
                    folder,
                    process,
                };
            }
        }
        let log = std::fs::read_to_string(folder.path().join("log/error.log"));
        panic!("nginx does not start: {log:?}");
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A client that comes from this address.
    pub fn client(&self, token: Option<&str>, from: IpAddr) -> Client {
        let certificate = reqwest::Certificate::from_pem(self.certificate.as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([certificate])
            .local_address(from)
            .build()
            .unwrap();
        Client::with(&self.url(), token.map(str::to_owned), http)
    }

    /// What it trusts, for clients of other kinds.
    pub fn tls(&self) -> rustls::ClientConfig {
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = rustls::RootCertStore::empty();
        let certificate =
            rustls::pki_types::CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    pub fn access_log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log/access.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, because the workers are processes of their own.
        let pid = nix::unistd::Pid::from_raw(self.process.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.process.wait();
    }
}

fn program() -> Command {
    let named = std::env::var_os("CODEX_NGINX_BIN");
    // Debian keeps it where only root looks.
    let usual = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"];
    let found = usual
        .iter()
        .find(|path| std::path::Path::new(path).exists());
    Command::new(named.unwrap_or_else(|| (*found.unwrap_or(&"nginx")).into()))
}

/// The file with other addresses, and nothing else changed; each of these is in it.
fn config(folder: &std::path::Path, gateways: [&str; 2], plain: u16, port: u16) -> String {
    let folder = folder.display();
    let log = format!("{folder}/log");
    std::fs::create_dir_all(&log).unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let user = user.map_or_else(|| "root".to_owned(), |user| user.name);
    // Where the package would have it is not everybody's.
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let changes = [
        ("user www-data;", format!("user {user};")),
        ("worker_processes auto;", "worker_processes 2;".into()),
        ("worker_rlimit_nofile 65536;", String::new()),
        ("/run/nginx.pid", format!("{folder}/nginx.pid")),
        ("/var/log/nginx", log),
        ("http {\n", format!("http {{\n{temporary}")),
        ("10.0.0.11:8080", gateways[0].to_owned()),
        ("10.0.0.12:8080", gateways[1].to_owned()),
        ("listen 80;", format!("listen 127.0.0.1:{plain};")),
        ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
        ("/etc/nginx/tls", folder.to_string()),
    ];
    changes
        .into_iter()
        .fold(CONFIG.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from} is not in the file any more");
            text.replace(from, &to)
        })
}

fn free_ports() -> [u16; 2] {
    let taken = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}
