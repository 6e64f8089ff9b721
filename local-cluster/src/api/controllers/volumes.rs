//! Claims and volumes: a claim gets a folder of the data directory, or the volume that it names.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::RETRY;
use super::feed::Feed;
use super::gc::ignore_missing;
use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::object::{child_mut, is_deleting, list, name, namespace, text, uid};
use crate::api::request::WriteOptions;
use crate::api::resources::Resource;
use crate::api::store::{Key, Stored};
use crate::api::write::{Part, Target};

/// Volumes that were made here, and go with their claim.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
const PROVISIONER: &str = "codexrunner.io/local-cluster";

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

pub(super) async fn run(api: Arc<Api>) {
    let mut feed = Feed::new(&api, Some(&[CLAIMS, VOLUMES]));
    while feed.next().await.is_some() {
        if let Err(error) = sweep(&api).await {
            tracing::warn!(%error, "binding a claim failed; trying again");
            feed.reset();
            tokio::select! {
                () = api.shutdown.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }
}

async fn sweep(api: &Api) -> Result<(), ApiError> {
    let served = api.catalog.served();
    let find = |plural| {
        served
            .find("", "v1", plural)
            .ok_or_else(|| ApiError::Internal(format!("{plural} are not served")))
    };
    let (claims, volumes) = (find(CLAIMS)?, find(VOLUMES)?);
    for claim in api.store.list(CLAIMS, None).items {
        if text(&claim.value, "/status/phase") != "Bound" && !is_deleting(&claim.value) {
            bind(api, &claims, &volumes, &claim.value).await?;
        }
    }
    for volume in api.store.list(VOLUMES, None).items {
        release(api, &volumes, &volume).await?;
    }
    Ok(())
}

async fn bind(
    api: &Api,
    claims: &Arc<Resource>,
    volumes: &Arc<Resource>,
    claim: &Value,
) -> Result<(), ApiError> {
    let wanted = text(claim, "/spec/volumeName");
    let class = claim
        .pointer("/spec/storageClassName")
        .and_then(Value::as_str);
    let volume = if wanted.is_empty() {
        match matching(api, claim, class.unwrap_or("")) {
            Some(volume) => volume,
            // An empty class asks for a volume that someone made; without a class we make one.
            None if class == Some("") => return Ok(()),
            None => provision(api, volumes, claim).await?,
        }
    } else {
        match api.store.get(VOLUMES, &Key::new("", wanted)) {
            Some(volume) if is_free_for(&volume.value, claim) => volume.value.clone(),
            _ => return Ok(()),
        }
    };
    let reference = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace(claim),
        "name": name(claim),
        "uid": uid(claim),
    });
    let target = Target::new(volumes, "", name(&volume), Part::Internal);
    let edit = |object: &mut Value| {
        child_mut(object, "spec").insert("claimRef".into(), reference.clone());
        child_mut(object, "status").insert("phase".into(), json!("Bound"));
        Ok(())
    };
    api.edit(&target, edit).await?;
    let target = Target::new(claims, namespace(claim), name(claim), Part::Internal);
    let edit = |object: &mut Value| {
        child_mut(object, "spec").insert("volumeName".into(), json!(name(&volume)));
        object["status"] = json!({
            "phase": "Bound",
            "accessModes": volume["spec"]["accessModes"],
            "capacity": volume["spec"]["capacity"],
        });
        Ok(())
    };
    ignore_missing(api.edit(&target, edit).await)
}

fn is_free_for(volume: &Value, claim: &Value) -> bool {
    let owner = text(volume, "/spec/claimRef/name");
    let mine = owner == name(claim)
        && text(volume, "/spec/claimRef/namespace") == namespace(claim)
        && matches!(text(volume, "/spec/claimRef/uid"), u if u.is_empty() || u == uid(claim));
    owner.is_empty() || mine
}

/// A volume that someone made and that fits: class, access modes, not taken.
fn matching(api: &Api, claim: &Value, class: &str) -> Option<Value> {
    api.store
        .list(VOLUMES, None)
        .items
        .iter()
        .map(|v| &v.value)
        .find(|volume| {
            let reserved = !text(volume, "/spec/claimRef/name").is_empty();
            let modes = list(volume, "/spec/accessModes");
            let fits = text(volume, "/spec/storageClassName") == class
                && list(claim, "/spec/accessModes")
                    .iter()
                    .all(|m| modes.contains(m));
            // Without a class only a volume that is reserved for the claim is taken: a default
            // class would make a new one.
            let asked = claim.pointer("/spec/storageClassName").is_some() || reserved;
            fits && asked && is_free_for(volume, claim) && !is_deleting(volume)
        })
        .cloned()
}

async fn provision(api: &Api, volumes: &Arc<Resource>, claim: &Value) -> Result<Value, ApiError> {
    let volume = format!("pvc-{}", uid(claim));
    let path = folder(api, &volume);
    tokio::fs::create_dir_all(&path)
        .await
        .map_err(|e| ApiError::Internal(format!("cannot create {}: {e}", path.display())))?;
    let object = json!({
        "metadata": {"name": volume, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": claim["spec"]["resources"]["requests"],
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": text(claim, "/spec/storageClassName"),
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
        },
    });
    let target = Target::new(volumes, "", &volume, Part::Internal);
    let options = WriteOptions::internal("persistentvolume-controller");
    match api.create(&target, object, &options).await {
        Ok(written) => Ok(written.object),
        // Made before a restart that came before the binding.
        Err(ApiError::AlreadyExists(_)) => {
            let stored = api.get(volumes, &Key::new("", volume))?;
            Ok(stored.value.clone())
        }
        Err(other) => Err(other),
    }
}

fn folder(api: &Api, volume: &str) -> PathBuf {
    api.volumes_dir.join(volume)
}

/// A volume whose claim is gone is removed with its folder when it was made here, else released.
async fn release(api: &Api, volumes: &Arc<Resource>, volume: &Stored) -> Result<(), ApiError> {
    let value = &volume.value;
    let phase = text(value, "/status/phase");
    if text(value, "/spec/claimRef/uid").is_empty() || is_deleting(value) || phase == "Released" {
        return Ok(());
    }
    let key = Key::new(
        text(value, "/spec/claimRef/namespace"),
        text(value, "/spec/claimRef/name"),
    );
    let claimed = api
        .store
        .get(CLAIMS, &key)
        .is_some_and(|c| uid(&c.value) == text(value, "/spec/claimRef/uid"));
    if claimed {
        return Ok(());
    }
    let target = Target::new(volumes, "", name(value), Part::Internal);
    let ours = value["metadata"]["annotations"][PROVISIONED_BY] == json!(PROVISIONER);
    if ours && text(value, "/spec/persistentVolumeReclaimPolicy") == "Delete" {
        let path = folder(api, name(value));
        match tokio::fs::remove_dir_all(&path).await {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(ApiError::Internal(format!(
                    "cannot remove {}: {e}",
                    path.display()
                )));
            }
            _ => {}
        }
        return api.delete_internal(&target, uid(value), None).await;
    }
    let edit = |object: &mut Value| {
        child_mut(object, "status").insert("phase".into(), json!("Released"));
        Ok(())
    };
    ignore_missing(api.edit(&target, edit).await)
}
