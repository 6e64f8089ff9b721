//! `codex-remote apply`: server-side apply for people without kubectl.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use kube::{
    Api, Client, Config, Resource as _, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    discovery::{self, Scope},
};
use serde::Deserialize as _;

/// The field manager of what people apply with this command.
const FIELD_MANAGER: &str = "codex-remote-apply";
/// Where tasks live unless the file or the user says otherwise.
const DEFAULT_NAMESPACE: &str = "codex-tasks";

/// The options of `apply`.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// A YAML or JSON file with one or more objects, or - for standard input.
    #[arg(short, long, value_name = "FILE")]
    pub filename: PathBuf,
    /// How to reach the cluster. [default: the kubeconfig of `codex-remote up` on this machine]
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The data folder of `codex-remote up`, when it is not the default one.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, default_value = DEFAULT_NAMESPACE)]
    pub namespace: String,
    /// Take over fields that something else has set.
    #[arg(long)]
    pub force: bool,
}

/// Applies every object of the file, in its order. Stops at the first that is refused.
///
/// # Errors
/// When the file cannot be read, is not YAML, or the API server refuses an object.
pub async fn run(args: ApplyArgs) -> anyhow::Result<ExitCode> {
    let objects = parse(&read(&args.filename)?)
        .with_context(|| format!("{} is not usable", args.filename.display()))?;
    let client = connect(&kubeconfig_path(&args)?).await?;
    for object in objects {
        let (object, verb) = apply(&client, &object, &args).await?;
        let kind = object
            .types
            .as_ref()
            .map(|types| types.kind.to_lowercase())
            .unwrap_or_default();
        println!("{kind}/{} {verb}", object.name_any());
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> anyhow::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// The objects of a stream of YAML documents. Empty documents are skipped, lists are unfolded.
fn parse(text: &str) -> anyhow::Result<Vec<DynamicObject>> {
    let mut objects = Vec::new();
    for document in serde_norway::Deserializer::from_str(text) {
        let value = serde_json::Value::deserialize(document).context("it is not YAML")?;
        let items = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::Object(mut fields)
                if fields.get("kind").is_some_and(|kind| kind == "List") =>
            {
                match fields.remove("items") {
                    Some(serde_json::Value::Array(items)) => items,
                    _ => bail!("a List needs `items`"),
                }
            }
            other => vec![other],
        };
        for item in items {
            let object: DynamicObject = serde_json::from_value(item)
                .context("every object needs apiVersion, kind and metadata")?;
            if object.types.is_none() {
                bail!("every object needs apiVersion and kind");
            }
            if object.meta().name.is_none() && object.meta().generate_name.is_none() {
                bail!("every object needs metadata.name or metadata.generateName");
            }
            objects.push(object);
        }
    }
    if objects.is_empty() {
        bail!("there is no object in it");
    }
    Ok(objects)
}

fn kubeconfig_path(args: &ApplyArgs) -> anyhow::Result<PathBuf> {
    if let (Some(path), None) = (&args.kubeconfig, &args.data) {
        return Ok(path.clone());
    }
    let data = match &args.data {
        Some(data) => data.clone(),
        None => crate::data_dir::default_dir()?,
    };
    let path = data.join("kubeconfig");
    if !path.exists() {
        bail!(
            "there is no {}: start `codex-remote up`, or name a cluster with --kubeconfig",
            path.display()
        );
    }
    Ok(path)
}

async fn connect(path: &Path) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(path)
        .with_context(|| format!("{} is not a kubeconfig", path.display()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("{} does not say how to reach a cluster", path.display()))?;
    Ok(Client::try_from(config)?)
}

async fn apply(
    client: &Client,
    object: &DynamicObject,
    args: &ApplyArgs,
) -> anyhow::Result<(DynamicObject, &'static str)> {
    let types = object.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types)
        .with_context(|| format!("apiVersion {:?} is not one", types.api_version))?;
    let (resource, capabilities) = discovery::pinned_kind(client, &kind)
        .await
        .with_context(|| format!("the cluster has no {} {}", types.api_version, types.kind))?;
    let api: Api<DynamicObject> = match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => {
            let namespace = object.namespace();
            let namespace = namespace.as_deref().unwrap_or(&args.namespace);
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
    };
    let what = format!("{} {}", types.kind, object.name_any());
    // Server-side apply needs a name; an object that leaves it to the server can only be created.
    let Some(name) = object.meta().name.as_deref() else {
        let created = api
            .create(&PostParams::default(), object)
            .await
            .with_context(|| format!("{what} was refused"))?;
        return Ok((created, "created"));
    };
    let mut parameters = PatchParams::apply(FIELD_MANAGER).validation_strict();
    parameters.force = args.force;
    let applied = api
        .patch(name, &parameters, &Patch::Apply(object))
        .await
        .with_context(|| format!("{what} was refused"))?;
    Ok((applied, "applied"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lists_and_blanks_are_read() {
        let text = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n---\n\
                    apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n\
                    - {apiVersion: v1, kind: Pod, metadata: {generateName: c-}}\n";
        let names: Vec<_> = parse(text)
            .unwrap()
            .iter()
            .map(kube::ResourceExt::name_any)
            .collect();
        assert_eq!(names, ["a", "b", "c-"]);
    }

    #[test]
    fn what_is_no_object_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "there is no object"),
            ("kind: Pod\nmetadata: {name: a}", "apiVersion"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {}", "metadata.name"),
            ("- 1", "apiVersion, kind"),
            ("{", "not YAML"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
