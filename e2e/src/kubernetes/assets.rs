//! `kube-apiserver` and `etcd` from a folder, as the tools of envtest leave them there (`KUBEBUILDER_ASSETS`).
//!
//! Those two bring no controllers, so the admission plugin that wants the service account of a Pod to be there is off, as in envtest, and
//! a namespace that is deleted does not go away.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::json;

/// The folder with the programs, and what they are started on.
#[derive(Debug)]
pub(super) struct Assets {
    programs: PathBuf,
    data: PathBuf,
    api: u16,
    etcd: u16,
    peer: u16,
}

impl Assets {
    /// Prepares certificates and a kubeconfig in `data`.
    pub(super) fn prepare(programs: &Path, data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let [api, etcd, peer] = free_ports()?;
        let assets = Self {
            programs: programs.to_owned(),
            data: data.to_owned(),
            api,
            etcd,
            peer,
        };
        assets.write_keys()?;
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": {
                "server": format!("https://127.0.0.1:{api}"),
                "certificate-authority": assets.file("ca.crt"),
            }}],
            "users": [{"name": "admin", "user": {
                "client-certificate": assets.file("admin.crt"),
                "client-key": assets.file("admin.key"),
            }}],
            "contexts": [{"name": "admin", "context": {"cluster": "kubernetes", "user": "admin"}}],
            "current-context": "admin",
        });
        std::fs::write(data.join("kubeconfig"), kubeconfig.to_string())?;
        Ok(assets)
    }

    /// Starts both; the API server is the last. It waits for etcd by itself.
    pub(super) fn spawn(&self, log: &File) -> Result<Vec<Child>> {
        let etcd_url = format!("https://127.0.0.1:{}", self.etcd);
        let peer_url = format!("https://127.0.0.1:{}", self.peer);
        let mut etcd = self
            .command("etcd", log)?
            .arg(format!("--data-dir={}", self.file("etcd")))
            .arg(format!("--listen-client-urls={etcd_url}"))
            .arg(format!("--advertise-client-urls={etcd_url}"))
            .arg(format!("--listen-peer-urls={peer_url}"))
            .arg(format!("--initial-advertise-peer-urls={peer_url}"))
            .arg(format!("--initial-cluster=default={peer_url}"))
            // The ports are open to everybody on this machine.
            .args(["--client-cert-auth", "--peer-client-cert-auth"])
            .arg(format!("--cert-file={}", self.file("server.crt")))
            .arg(format!("--key-file={}", self.file("server.key")))
            .arg(format!("--trusted-ca-file={}", self.file("ca.crt")))
            .arg(format!("--peer-cert-file={}", self.file("server.crt")))
            .arg(format!("--peer-key-file={}", self.file("server.key")))
            .arg(format!("--peer-trusted-ca-file={}", self.file("ca.crt")))
            // A test does not survive a loss of power.
            .args(["--unsafe-no-fsync", "--log-level=warn"])
            .spawn()
            .context("cannot start etcd")?;
        let api = self
            .command("kube-apiserver", log)?
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg("--endpoint-reconciler-type=none")
            .arg(format!("--secure-port={}", self.api))
            .arg(format!("--tls-cert-file={}", self.file("server.crt")))
            .arg(format!(
                "--tls-private-key-file={}",
                self.file("server.key")
            ))
            .arg(format!("--client-ca-file={}", self.file("ca.crt")))
            .arg(format!("--etcd-servers={etcd_url}"))
            .arg(format!("--etcd-cafile={}", self.file("ca.crt")))
            .arg(format!("--etcd-certfile={}", self.file("admin.crt")))
            .arg(format!("--etcd-keyfile={}", self.file("admin.key")))
            .arg(format!(
                "--kubelet-client-certificate={}",
                self.file("admin.crt")
            ))
            .arg(format!("--kubelet-client-key={}", self.file("admin.key")))
            .arg("--authorization-mode=Node,RBAC")
            .arg("--disable-admission-plugins=ServiceAccount")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg(format!(
                "--service-account-key-file={}",
                self.file("service-accounts.pub")
            ))
            .arg(format!(
                "--service-account-signing-key-file={}",
                self.file("service-accounts.key")
            ))
            .arg("--allow-privileged=true")
            .spawn();
        match api {
            Ok(api) => Ok(vec![etcd, api]),
            Err(error) => {
                etcd.kill()?;
                etcd.wait()?;
                Err(error).context("cannot start kube-apiserver")
            }
        }
    }

    fn command(&self, program: &str, log: &File) -> Result<Command> {
        let mut command = Command::new(self.programs.join(program));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        Ok(command)
    }

    /// The path of a file of the folder, as an argument.
    fn file(&self, name: &str) -> String {
        self.data.join(name).display().to_string()
    }

    fn write_keys(&self) -> Result<()> {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        let mut ca = CertificateParams::default();
        ca.distinguished_name
            .push(DnType::CommonName, "kubernetes-test-ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = KeyPair::generate()?;
        let certificate = ca.self_signed(&ca_key)?;
        std::fs::write(self.data.join("ca.crt"), certificate.pem())?;
        let issuer = Issuer::new(ca, ca_key);

        // For both servers; etcd is its own client, too.
        let mut server = CertificateParams::new(["localhost".into(), "127.0.0.1".into()])?;
        server
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages = vec![ServerAuth, ClientAuth];
        let mut admin = CertificateParams::default();
        admin
            .distinguished_name
            .push(DnType::CommonName, "kubernetes-admin");
        admin
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ClientAuth];
        for (name, params) in [("server", server), ("admin", admin)] {
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?;
            std::fs::write(self.data.join(format!("{name}.crt")), certificate.pem())?;
            std::fs::write(self.data.join(format!("{name}.key")), key.serialize_pem())?;
        }
        let tokens = KeyPair::generate()?;
        std::fs::write(
            self.data.join("service-accounts.key"),
            tokens.serialize_pem(),
        )?;
        std::fs::write(
            self.data.join("service-accounts.pub"),
            tokens.public_key_pem(),
        )?;
        Ok(())
    }
}

fn free_ports() -> Result<[u16; 3]> {
    // All at once, so that they differ. Somebody else may take one before its server does, which then says so in its log.
    let listeners = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
