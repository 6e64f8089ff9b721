//! The places of a Pod's volumes in a container.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::volumes::{FileContent, Source, relative};
use super::{PlanError, env};
use crate::node::sandbox::plan::Mount;

/// The mounts of a container's volumes, outer paths before inner ones.
///
/// # Errors
/// Names the mount that cannot be made.
pub fn of_container(
    container: &Container,
    volumes: &BTreeMap<String, Source>,
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Mount>, PlanError> {
    let mut wanted: Vec<&VolumeMount> = container.volume_mounts.iter().flatten().collect();
    wanted.sort_by_key(|mount| Path::new(&mount.mount_path).components().count());
    let mut out = Vec::new();
    for mount in wanted {
        let source = volumes.get(&mount.name).ok_or_else(|| {
            PlanError::unsupported(format!("volumeMount {}: no such volume", mount.name))
        })?;
        let target = target_of(&mount.mount_path)?;
        let sub_path = match (&mount.sub_path_expr, &mount.sub_path) {
            (Some(expression), _) if !expression.is_empty() => {
                Some(relative(&env::expand(expression, variables))?)
            }
            (_, Some(path)) if !path.is_empty() => Some(relative(path)?),
            _ => None,
        };
        let read_only = mount.read_only == Some(true);
        match source {
            Source::Host { path, .. } => out.push(Mount::Bind {
                source: path.clone(),
                sub_path: sub_path.map(PathBuf::from),
                target,
                read_only,
            }),
            Source::Memory { size } => {
                out.push(Mount::Tmpfs {
                    target: target.clone(),
                    size: *size,
                    mode: 0o777,
                });
                if read_only {
                    out.push(Mount::Seal { target });
                }
            }
            Source::Files(files) => out.extend(file_mounts(files, sub_path.as_deref(), &target)),
        }
    }
    Ok(out)
}

fn file_mounts(
    files: &BTreeMap<String, FileContent>,
    sub_path: Option<&str>,
    target: &str,
) -> Vec<Mount> {
    if let Some(file) = sub_path.and_then(|path| files.get(path)) {
        return vec![Mount::File {
            target: target.to_owned(),
            content: file.bytes.clone(),
            mode: file.mode,
        }];
    }
    let mut out = vec![Mount::Tmpfs {
        target: target.to_owned(),
        size: None,
        mode: 0o755,
    }];
    for (path, file) in files {
        let place = match sub_path {
            None => Some(path.as_str()),
            Some(folder) => path
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        if let Some(place) = place {
            out.push(Mount::File {
                target: format!("{target}/{place}"),
                content: file.bytes.clone(),
                mode: file.mode,
            });
        }
    }
    out.push(Mount::Seal {
        target: target.to_owned(),
    });
    out
}

fn target_of(path: &str) -> Result<String, PlanError> {
    let clean = path.trim_end_matches('/');
    let path = Path::new(clean);
    let forbidden = ["/proc", "/dev", "/sys"]
        .iter()
        .any(|folder| path.starts_with(folder) && !path.starts_with("/dev/shm"));
    if !path.is_absolute()
        || clean.is_empty()
        || forbidden
        || path.components().any(|part| part == Component::ParentDir)
    {
        return Err(PlanError::unsupported(format!(
            "mountPath {clean:?}: must be an absolute path other than /, /proc, /dev and /sys"
        )));
    }
    Ok(clean.to_owned())
}
