//! TLS: whom the store trusts.

use std::path::{Path, PathBuf};

use codex_tasklog::{LiveLog as _, LiveLogWriter as _, LogError, RedisConfig, RedisStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::live::follow::numbers;
use crate::live::{end, frames};
use crate::server::RedisServer;
use crate::support::TASK;

/// An authority, and a certificate of it for one name.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn issue(folder: &Path, name: &str) -> Files {
    let write = |file: &str, text: String| {
        let path = folder.join(file);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    Files {
        authority: write("ca.pem", authority),
        certificate: write("cert.pem", certificate),
        key: write("key.pem", key.serialize_pem()),
    }
}

async fn serve(files: &Files) -> RedisServer {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    RedisServer::listening_with_tls(&[
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &path(&files.certificate),
        "--tls-key-file",
        &path(&files.key),
    ])
    .await
}

fn config(server: &RedisServer) -> RedisConfig {
    let address = format!("rediss://{}:{}", RedisServer::host(), server.port());
    RedisConfig::new(&address.into(), None).unwrap()
}

async fn refusal(config: RedisConfig) -> String {
    let store = RedisStore::new(config).unwrap();
    let refused = store.append(TASK, &frames(1..=1)).await.unwrap_err();
    assert!(matches!(refused, LogError::Unavailable(_)), "{refused}");
    refused.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_trusted_for_its_authority_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let files = issue(folder.path(), &RedisServer::host());
    let server = serve(&files).await;
    let store =
        RedisStore::new(config(&server).with_authorities(&files.authority).unwrap()).unwrap();
    let stream = store.subscribe(TASK, 0).await.unwrap();
    store.append(TASK, &frames(1..=20)).await.unwrap();
    store.append(TASK, &[end(21)]).await.unwrap();
    assert_eq!(numbers(stream).await, (1..=21).collect::<Vec<_>>());

    // The system does not know this authority.
    let unknown = refusal(config(&server)).await;
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    // Nor does another authority.
    let others = tempfile::tempdir().unwrap();
    let others = issue(others.path(), "elsewhere").authority;
    let stranger = refusal(config(&server).with_authorities(&others).unwrap()).await;
    assert!(stranger.contains("certificate"), "{stranger}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = issue(folder.path(), "cache.example");
    let server = serve(&files).await;
    let refused = refusal(config(&server).with_authorities(&files.authority).unwrap()).await;
    assert!(refused.contains("not valid for name"), "{refused}");
}
