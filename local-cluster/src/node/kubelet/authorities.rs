//! The authorities that vouch for clients of the node.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Where an API server publishes what it verifies its own clients with.
const NAMESPACE: &str = "kube-system";
const CONFIG_MAP: &str = "extension-apiserver-authentication";
const KEY: &str = "client-ca-file";
/// First pause after a failed attempt; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause after a failed attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The authorities of a file, or those that the API server publishes. None when it publishes none: then only tokens count.
///
/// They are read once; a node has to be started again when they change.
///
/// # Errors
/// When the file or what is published is no certificate. An API server that does not answer is asked again.
pub async fn load(
    file: Option<&Path>,
    client: &Client,
) -> anyhow::Result<Option<Vec<CertificateDer<'static>>>> {
    let (pem, place) = match file {
        Some(file) => {
            let pem =
                std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            (pem, file.display().to_string())
        }
        None => match published(client).await {
            Some(pem) => (
                pem.into_bytes(),
                format!("ConfigMap {NAMESPACE}/{CONFIG_MAP}"),
            ),
            None => {
                tracing::warn!(
                    "the API server publishes no authority for its clients: container logs are served to bearer tokens only; name the authority in client_ca_file"
                );
                return Ok(None);
            }
        },
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{place}: not a certificate in PEM"))?;
    anyhow::ensure!(!certificates.is_empty(), "{place}: there is no certificate");
    Ok(Some(certificates))
}

/// The store that certificates of clients are verified with.
///
/// # Errors
/// When one is no authority.
pub(super) fn store(certificates: Vec<CertificateDer<'static>>) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate)
            .context("an authority for clients is not usable")?;
    }
    Ok(store)
}

async fn published(client: &Client) -> Option<String> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let mut pause = FIRST_PAUSE;
    loop {
        match maps.get_opt(CONFIG_MAP).await {
            Ok(map) => return map?.data?.remove(KEY),
            Err(kube::Error::Api(status)) if status.is_forbidden() => return None,
            Err(error) => {
                tracing::warn!(error = %error, "cannot ask the API server for the authorities of its clients; will try again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
