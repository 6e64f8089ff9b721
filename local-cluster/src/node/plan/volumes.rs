//! Volumes of a Pod, and their places in a container.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, EmptyDirVolumeSource, HostPathVolumeSource, KeyToPath, Pod, Volume,
};

use super::objects::{Objects, config_map_entries, secret_entries};
use super::{PlanError, containers_of, fields, quantity};

/// Permissions of files that say nothing else.
const DEFAULT_MODE: i32 = 0o644;

/// Where a volume's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder or file of the host.
    Host {
        /// Its path.
        path: PathBuf,
        /// What must be there, or is made.
        kind: HostKind,
    },
    /// Memory of the container.
    Memory {
        /// Most bytes.
        size: Option<u64>,
    },
    /// Files that the API server holds.
    Files(BTreeMap<String, FileContent>),
}

/// What the node has to do about a path of the host before it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A folder of the Pod, made empty and given to the containers' uid.
    EmptyDir,
    /// A folder that lives longer than the Pod and belongs to the containers' uid.
    Claim,
    /// Something that must exist.
    Existing,
    /// A folder, made if missing.
    DirectoryOrCreate,
    /// A file, made if missing.
    FileOrCreate,
}

/// A file that the API server holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
}

/// Resolves the volumes of a Pod. `empty_dirs` is where its emptyDirs are.
///
/// # Errors
/// Names the object that is missing, or the kind of volume that isn't supported.
pub fn resolve(
    pod: &Pod,
    objects: &Objects,
    empty_dirs: &Path,
) -> Result<BTreeMap<String, Source>, PlanError> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .map(|volume| {
            Ok((
                volume.name.clone(),
                source(pod, volume, objects, empty_dirs)?,
            ))
        })
        .collect()
}

fn source(
    pod: &Pod,
    volume: &Volume,
    objects: &Objects,
    empty_dirs: &Path,
) -> Result<Source, PlanError> {
    if let Some(empty) = &volume.empty_dir {
        return Ok(empty_dir(pod, &volume.name, empty, empty_dirs));
    }
    if let Some(host) = &volume.host_path {
        return host_path(&volume.name, host);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        let path = objects.claims.get(&claim.claim_name).cloned();
        let path = path.ok_or_else(|| {
            PlanError::volume(format!(
                "persistentvolumeclaim \"{}\" is not bound",
                claim.claim_name
            ))
        })?;
        return Ok(Source::Host {
            path,
            kind: HostKind::Claim,
        });
    }
    let mut files = BTreeMap::new();
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        let entries = objects.secrets.get(name).map(secret_entries);
        let wanted = Wanted {
            what: format!("secret \"{name}\""),
            items: source.items.as_deref(),
            optional: source.optional,
            mode: source.default_mode,
        };
        wanted.add(entries, &mut files)?;
    } else if let Some(source) = &volume.config_map {
        let entries = objects
            .config_maps
            .get(&source.name)
            .map(config_map_entries);
        let wanted = Wanted {
            what: format!("configmap \"{}\"", source.name),
            items: source.items.as_deref(),
            optional: source.optional,
            mode: source.default_mode,
        };
        wanted.add(entries, &mut files)?;
    } else if let Some(source) = &volume.downward_api {
        downward(
            pod,
            source.items.as_deref().unwrap_or_default(),
            source.default_mode,
            &mut files,
        )?;
    } else if let Some(projected) = &volume.projected {
        for source in projected.sources.iter().flatten() {
            let mode = projected.default_mode;
            if let Some(source) = &source.secret {
                let entries = objects.secrets.get(&source.name).map(secret_entries);
                Wanted {
                    what: format!("secret \"{}\"", source.name),
                    items: source.items.as_deref(),
                    optional: source.optional,
                    mode,
                }
                .add(entries, &mut files)?;
            } else if let Some(source) = &source.config_map {
                let entries = objects
                    .config_maps
                    .get(&source.name)
                    .map(config_map_entries);
                Wanted {
                    what: format!("configmap \"{}\"", source.name),
                    items: source.items.as_deref(),
                    optional: source.optional,
                    mode,
                }
                .add(entries, &mut files)?;
            } else if let Some(source) = &source.downward_api {
                downward(
                    pod,
                    source.items.as_deref().unwrap_or_default(),
                    mode,
                    &mut files,
                )?;
            } else {
                return Err(PlanError::unsupported(format!(
                    "volume {}: this projected source is not supported on this node",
                    volume.name
                )));
            }
        }
    } else {
        return Err(PlanError::unsupported(format!(
            "volume {}: this kind of volume is not supported on this node",
            volume.name
        )));
    }
    Ok(Source::Files(files))
}

fn empty_dir(pod: &Pod, name: &str, source: &EmptyDirVolumeSource, empty_dirs: &Path) -> Source {
    let users = containers_of(pod)
        .filter(|container| {
            container
                .volume_mounts
                .iter()
                .flatten()
                .any(|mount| mount.name == name)
        })
        .count();
    // A mount of its own for each container cannot be shared; containers that share a volume share a folder instead.
    if source.medium.as_deref() == Some("Memory") && users <= 1 {
        return Source::Memory {
            size: source.size_limit.as_ref().and_then(quantity::units),
        };
    }
    Source::Host {
        path: empty_dirs.join(name),
        kind: HostKind::EmptyDir,
    }
}

fn host_path(name: &str, source: &HostPathVolumeSource) -> Result<Source, PlanError> {
    let kind = match source.type_.as_deref().unwrap_or_default() {
        "" | "Directory" | "File" => HostKind::Existing,
        "DirectoryOrCreate" => HostKind::DirectoryOrCreate,
        "FileOrCreate" => HostKind::FileOrCreate,
        other => {
            return Err(PlanError::unsupported(format!(
                "volume {name}: hostPath type {other} is not supported on this node"
            )));
        }
    };
    let path = PathBuf::from(&source.path);
    if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return Err(PlanError::unsupported(format!(
            "volume {name}: hostPath must be absolute and without \"..\""
        )));
    }
    Ok(Source::Host { path, kind })
}

struct Wanted<'a> {
    what: String,
    items: Option<&'a [KeyToPath]>,
    optional: Option<bool>,
    mode: Option<i32>,
}

impl Wanted<'_> {
    fn add(
        self,
        entries: Option<BTreeMap<String, Vec<u8>>>,
        files: &mut BTreeMap<String, FileContent>,
    ) -> Result<(), PlanError> {
        let optional = self.optional == Some(true);
        let Some(mut entries) = entries else {
            return if optional {
                Ok(())
            } else {
                Err(PlanError::volume(format!("{} not found", self.what)))
            };
        };
        let default = mode(self.mode);
        match self.items {
            None => files.extend(entries.into_iter().map(|(key, bytes)| {
                (
                    key,
                    FileContent {
                        bytes,
                        mode: default,
                    },
                )
            })),
            Some(items) => {
                for item in items {
                    match entries.remove(&item.key) {
                        Some(bytes) => {
                            files.insert(
                                relative(&item.path)?,
                                FileContent {
                                    bytes,
                                    mode: item.mode.map_or(default, |own| mode(Some(own))),
                                },
                            );
                        }
                        None if optional => {}
                        None => {
                            return Err(PlanError::volume(format!(
                                "{} has no key {}",
                                self.what, item.key
                            )));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn downward(
    pod: &Pod,
    items: &[DownwardAPIVolumeFile],
    default: Option<i32>,
    files: &mut BTreeMap<String, FileContent>,
) -> Result<(), PlanError> {
    for item in items {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(reference), _) => fields::field(pod, &reference.field_path),
            (None, Some(selector)) => pod
                .spec
                .iter()
                .flat_map(|spec| &spec.containers)
                .find(|container| Some(&container.name) == selector.container_name.as_ref())
                .and_then(|container| fields::resource(container, selector)),
            (None, None) => None,
        };
        let value = value.ok_or_else(|| {
            PlanError::volume(format!("downwardAPI file {}: unknown field", item.path))
        })?;
        files.insert(
            relative(&item.path)?,
            FileContent {
                bytes: value.into_bytes(),
                mode: mode(item.mode.or(default)),
            },
        );
    }
    Ok(())
}

fn mode(mode: Option<i32>) -> u32 {
    mode.unwrap_or(DEFAULT_MODE).unsigned_abs() & 0o777
}

/// A path that stays below where it starts.
pub(super) fn relative(path: &str) -> Result<String, PlanError> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if inside && !path.is_empty() {
        Ok(path.to_owned())
    } else {
        Err(PlanError::unsupported(format!(
            "the path {path:?} must be relative and without \"..\""
        )))
    }
}
