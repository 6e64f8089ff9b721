//! The certificate that the node shows.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::authorities;
use crate::api::files::write_private;

const DAY: Duration = Duration::from_secs(86_400);
const DAYS: u32 = 3650;

/// The TLS settings of the node's endpoint. Its certificate is self-signed, made once and kept in the folder as `kubelet.crt`, so that
/// an API server can be told to verify it (`--kubelet-certificate-authority`); without that it takes any.
///
/// # Errors
/// When the folder cannot be written, or a file in it is damaged.
pub fn server_config(
    folder: &Path,
    address: IpAddr,
    clients: Option<Vec<CertificateDer<'static>>>,
) -> anyhow::Result<Arc<ServerConfig>> {
    let (certificate_file, key_file) = (folder.join("kubelet.crt"), folder.join("kubelet.key"));
    if !certificate_file.exists() || !key_file.exists() {
        let (certificate, key) = make(address).context("cannot make a certificate")?;
        write_private(&key_file, key.as_bytes())?;
        write_private(&certificate_file, certificate.as_bytes())?;
    }
    let damaged = |file: &Path| format!("{} is damaged: remove it", file.display());
    let certificate = CertificateDer::from_pem_file(&certificate_file)
        .with_context(|| damaged(&certificate_file))?;
    let key = PrivateKeyDer::from_pem_file(&key_file).with_context(|| damaged(&key_file))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ClientCertVerifier> = match clients {
        Some(certificates) => {
            let store = Arc::new(authorities::store(certificates)?);
            WebPkiClientVerifier::builder_with_provider(store, Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .context("cannot verify clients")?
        }
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .with_context(|| damaged(&certificate_file))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn make(address: IpAddr) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(vec![address.to_string()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "codex-local-cluster-node");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A day of slack for clocks that differ.
    let now = std::time::SystemTime::now();
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY * DAYS).into();
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
