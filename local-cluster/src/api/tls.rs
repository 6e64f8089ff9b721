//! The cluster's own certificate authority and the server's certificate.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::files::write_private;

const DAY: Duration = Duration::from_secs(86_400);
const CA_DAYS: u32 = 3650;
const SERVER_DAYS: u32 = 365;

/// The certificates of a data folder.
pub(crate) struct Pki {
    /// The certificate authority, for kubeconfig files.
    pub(crate) ca_pem: String,
    /// The TLS settings of the server.
    pub(crate) server: Arc<ServerConfig>,
}

fn failed(what: &str, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{what}: {error}"))
}

impl Pki {
    /// Reads the authority of a data folder or makes it, and makes a new server certificate: its
    /// key never has to outlive the process.
    pub(crate) fn load(dir: &Path) -> io::Result<Self> {
        let (ca_file, key_file) = (dir.join("ca.crt"), dir.join("ca.key"));
        if !ca_file.exists() || !key_file.exists() {
            let key = KeyPair::generate().map_err(|e| failed("cannot make a key", e))?;
            let cert = ca_params()
                .self_signed(&key)
                .map_err(|e| failed("cannot make the certificate authority", e))?;
            write_private(&key_file, key.serialize_pem().as_bytes())?;
            write_private(&ca_file, cert.pem().as_bytes())?;
        }
        let ca_pem = std::fs::read_to_string(&ca_file)?;
        let ca_key = KeyPair::from_pem(&std::fs::read_to_string(&key_file)?)
            .map_err(|e| failed("ca.key is damaged; remove the folder pki", e))?;
        // The parameters are constants, so they name the same issuer as the stored certificate.
        let issuer = Issuer::new(ca_params(), ca_key);
        let key = KeyPair::generate().map_err(|e| failed("cannot make a key", e))?;
        let cert = server_params()?
            .signed_by(&key, &issuer)
            .map_err(|e| failed("cannot sign the server certificate", e))?;
        let ca_der = CertificateDer::from_pem_slice(ca_pem.as_bytes())
            .map_err(|e| failed("ca.crt is damaged; remove the folder pki", e))?;
        let key_der = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|e| failed("cannot use the server key", e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| failed("cannot set up TLS", e))?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone(), ca_der], key_der)
            .map_err(|e| failed("cannot set up TLS", e))?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            ca_pem,
            server: Arc::new(server),
        })
    }
}

fn validity(params: &mut CertificateParams, days: u32) {
    // A day of slack for clocks that differ.
    let now = std::time::SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * days).into();
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "codex-local-cluster-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, CA_DAYS);
    params
}

fn server_params() -> io::Result<CertificateParams> {
    let names = [
        "localhost",
        "127.0.0.1",
        "::1",
        "kubernetes.default.svc",
        "kubernetes.default",
        "kubernetes",
    ];
    let mut params = CertificateParams::new(names.map(str::to_owned).to_vec())
        .map_err(|e| failed("cannot name the server", e))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "codex-local-cluster");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, SERVER_DAYS);
    Ok(params)
}
