//! Fetching what a Pod refers to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures::future::try_join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::node::plan::objects::{Objects, References};

/// Reads the objects, at the same time. Those that don't exist are left out; who needs them says so.
///
/// # Errors
/// Fails when the API server is away or refuses.
pub async fn fetch(client: &Client, pod: &Pod) -> kube::Result<Objects> {
    let references = References::of(pod);
    let namespace = pod.namespace().unwrap_or_else(|| "default".to_owned());
    let (secrets, config_maps, claims) = tokio::try_join!(
        named(client, &namespace, &references.secrets),
        named(client, &namespace, &references.config_maps),
        claims(client, &namespace, &references.claims),
    )?;
    Ok(Objects {
        secrets: secrets.into_iter().collect(),
        config_maps: config_maps.into_iter().collect(),
        claims: claims.into_iter().collect(),
    })
}

async fn named<K>(
    client: &Client,
    namespace: &str,
    names: &BTreeSet<String>,
) -> kube::Result<Vec<(String, K)>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let found = try_join_all(names.iter().map(|name| api.get_opt(name))).await?;
    Ok(names
        .iter()
        .cloned()
        .zip(found)
        .filter_map(|(name, object)| Some((name, object?)))
        .collect())
}

async fn claims(
    client: &Client,
    namespace: &str,
    names: &BTreeSet<String>,
) -> kube::Result<Vec<(String, PathBuf)>> {
    let claims: Vec<(String, PersistentVolumeClaim)> = named(client, namespace, names).await?;
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let mut found = Vec::new();
    for (name, claim) in claims {
        let Some(volume) = claim
            .spec
            .and_then(|spec| spec.volume_name)
            .filter(|volume| !volume.is_empty())
        else {
            continue;
        };
        let Some(spec) = volumes
            .get_opt(&volume)
            .await?
            .and_then(|volume| volume.spec)
        else {
            continue;
        };
        let path = spec
            .host_path
            .map(|source| source.path)
            .or_else(|| spec.local.map(|source| source.path));
        found.extend(path.map(|path| (name, PathBuf::from(path))));
    }
    Ok(found)
}
