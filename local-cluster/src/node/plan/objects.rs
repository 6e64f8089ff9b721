//! The API objects that a Pod refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret};

use super::containers_of;

/// What was found of the objects that a Pod refers to. Missing ones are missing here, too.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// By name.
    pub secrets: BTreeMap<String, Secret>,
    /// By name.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// Folders of persistent volumes, by the name of the claim.
    pub claims: BTreeMap<String, PathBuf>,
}

/// Names of the objects that a Pod refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// PersistentVolumeClaims.
    pub claims: BTreeSet<String>,
}

impl References {
    /// Collects the names.
    pub fn of(pod: &Pod) -> Self {
        let mut references = Self::default();
        let Some(spec) = &pod.spec else {
            return references;
        };
        for container in containers_of(pod) {
            references.add_container(container);
        }
        for volume in spec.volumes.iter().flatten() {
            references.secrets.extend(
                volume
                    .secret
                    .as_ref()
                    .and_then(|source| source.secret_name.clone()),
            );
            references
                .config_maps
                .extend(volume.config_map.as_ref().map(|source| source.name.clone()));
            references.claims.extend(
                volume
                    .persistent_volume_claim
                    .as_ref()
                    .map(|source| source.claim_name.clone()),
            );
            for source in volume
                .projected
                .iter()
                .flat_map(|projected| projected.sources.iter().flatten())
            {
                references
                    .secrets
                    .extend(source.secret.as_ref().map(|source| source.name.clone()));
                references
                    .config_maps
                    .extend(source.config_map.as_ref().map(|source| source.name.clone()));
            }
        }
        references
    }

    fn add_container(&mut self, container: &Container) {
        for source in container
            .env
            .iter()
            .flatten()
            .filter_map(|variable| variable.value_from.as_ref())
        {
            self.secrets
                .extend(source.secret_key_ref.as_ref().map(|key| key.name.clone()));
            self.config_maps.extend(
                source
                    .config_map_key_ref
                    .as_ref()
                    .map(|key| key.name.clone()),
            );
        }
        for source in container.env_from.iter().flatten() {
            self.secrets
                .extend(source.secret_ref.as_ref().map(|source| source.name.clone()));
            self.config_maps.extend(
                source
                    .config_map_ref
                    .as_ref()
                    .map(|source| source.name.clone()),
            );
        }
    }
}

/// All entries of a ConfigMap as bytes.
pub fn config_map_entries(config_map: &ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = config_map
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = config_map
        .binary_data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()));
    text.chain(binary).collect()
}

/// All entries of a Secret as bytes.
pub fn secret_entries(secret: &Secret) -> BTreeMap<String, Vec<u8>> {
    let binary = secret
        .data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.0.clone()));
    let text = secret
        .string_data
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    binary.chain(text).collect()
}
