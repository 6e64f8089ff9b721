//! The way from the command line to a running installation.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::PoisonError,
    time::{Duration, Instant},
};

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{
    credentials::{self, Model, Surroundings},
    error::{UpError, file_error},
    kubeconfig,
    kubernetes::Cluster,
    layout::{Layout, write_private},
    plan::Plan,
    ports::Ports,
    postgres::Postgres,
    preflight,
    process::ProcessSpec,
    programs::Programs,
    progress::Progress,
    repository::{self, AllowList, DemoMode},
    secrets::Secrets,
    sso::Sso,
    state,
    stores::Stores,
    supervisor::{Shared, Supervisor},
};
use crate::{commands::up::UpArgs, data_dir};

/// Everything that is known before the first process starts.
#[derive(Debug)]
pub struct Prepared {
    /// The command line.
    pub args: UpArgs,
    /// The data folder, locked.
    pub layout: Layout,
    /// The secrets.
    pub secrets: Secrets,
    /// Where logs are kept.
    pub stores: Stores,
    /// How people sign in beside passwords.
    pub sso: Sso,
    /// What answers the model requests.
    pub model: Model,
    /// What tasks may work on.
    pub allow_list: AllowList,
    programs: Programs,
    address: SocketAddr,
    began: Instant,
}

/// What runs.
pub struct Running {
    /// The gateway's address.
    pub url: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The cluster, as its administrator.
    pub cluster: Cluster,
    /// How long the start took.
    pub took: Duration,
}

impl Prepared {
    /// Looks at everything that could be in the way.
    ///
    /// # Errors
    /// What is in the way, and what to do about it.
    pub async fn new(args: UpArgs, progress: Progress) -> Result<Self, UpError> {
        let began = Instant::now();
        let programs = Programs::find(&args)?;
        let model = credentials::discover(args.demo_model, &Surroundings::from_env())?;
        let data = match &args.data {
            Some(data) => data.clone(),
            None => data_dir::default_dir()?,
        };
        let layout = Layout::open(&data)?;
        // Only then ports and sockets are free.
        state::await_leftovers(&layout.run_file(), progress).await?;
        preflight::check_disk(layout.root(), progress)?;
        match &programs.bwrap {
            Some(bwrap) => preflight::check_namespaces(bwrap)?,
            None => preflight::check_no_sandbox(progress)?,
        }
        let demo = match (&model, args.demo_model) {
            (Model::Upstream { .. }, _) => DemoMode::Off,
            (Model::Demo { .. }, true) => DemoMode::AskedFor,
            (Model::Demo { .. }, false) => DemoMode::Fallback,
        };
        let here = std::env::current_dir().ok();
        let allow_list = repository::allow_list(
            &args.repositories,
            here.as_deref(),
            demo,
            &layout.root().join("demo-repository"),
        )?;
        if let Some(note) = &allow_list.note {
            progress.line(note);
        }
        preflight::warn_of_surprises(&allow_list.repositories, progress);
        let address =
            preflight::gateway_address(args.listen, &Ports::open(layout.ports_file()), progress)?;
        let secrets = Secrets::open(&layout)?;
        let stores = Stores::open(&args, &layout, |name| std::env::var_os(name))?;
        let sso = Sso::open(&args.sso, address, &layout, |name| std::env::var_os(name))?;
        Ok(Self {
            args,
            layout,
            secrets,
            stores,
            sso,
            model,
            allow_list,
            programs,
            address,
            began,
        })
    }

    /// Starts the parts, side by side where they do not need each other.
    ///
    /// # Errors
    /// When one does not start. The caller stops the others.
    pub async fn start(
        &self,
        supervisor: &Supervisor,
        shared: &Shared,
    ) -> Result<Running, UpError> {
        let plan = Plan {
            layout: &self.layout,
            programs: &self.programs,
            secrets: &self.secrets,
            stores: &self.stores,
            sso: &self.sso,
            args: &self.args,
            sockets: self.layout.socket_dir()?,
            demo: matches!(self.model, Model::Demo { .. }),
        };
        let starter = Starter {
            plan,
            supervisor,
            shared,
            layout: &self.layout,
        };
        let database = starter.database(&self.programs.postgres_bin, &self.secrets);
        let cluster = starter.cluster(&self.model, &self.allow_list);
        let (database_url_file, (cluster, kubeconfig)) = tokio::try_join!(database, cluster)?;
        let gateway = starter
            .part(starter.plan.gateway(self.address, database_url_file))
            .await?;
        let url = url_of(&gateway, "the gateway", starter.layout)?
            .trim_end_matches('/')
            .to_owned();
        shared.board.update(|state| {
            state.url = Some(url.clone());
            state.kubeconfig = Some(kubeconfig.clone());
        });
        Ok(Running {
            url,
            kubeconfig,
            cluster,
            took: self.began.elapsed(),
        })
    }
}

struct Starter<'a> {
    plan: Plan<'a>,
    supervisor: &'a Supervisor,
    shared: &'a Shared,
    layout: &'a Layout,
}

impl Starter<'_> {
    async fn part(&self, spec: ProcessSpec) -> Result<Value, UpError> {
        let (title, log) = (spec.title, self.layout.log(spec.name));
        self.shared
            .progress
            .step(title, self.supervisor.start(spec, log))
            .await
    }

    fn ports<T>(&self, plan: impl FnOnce(&Ports) -> T) -> T {
        plan(
            &self
                .shared
                .ports
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// PostgreSQL; returns the file with the gateway's URL for it.
    async fn database(&self, bin: &Path, secrets: &Secrets) -> Result<PathBuf, UpError> {
        let work = async {
            let postgres =
                Postgres::prepare(self.layout, secrets, bin, self.shared.progress).await?;
            let spec = postgres.spec();
            let log = self.layout.log(spec.name);
            self.supervisor.start(spec, log).await?;
            Ok(postgres.url_file)
        };
        self.shared.progress.step("PostgreSQL", work).await
    }

    /// The model's side, the cluster, what belongs into it, and the operator.
    async fn cluster(
        &self,
        model: &Model,
        allow_list: &AllowList,
    ) -> Result<(Cluster, PathBuf), UpError> {
        let file = self.layout.secret("upstream.key");
        let (upstream, key) = match model {
            Model::Upstream { key, .. } => {
                write_private(&file, key.expose_secret().as_bytes())?;
                (self.plan.args.upstream_url.to_string(), file)
            }
            Model::Demo { .. } => {
                // A key that is not used any more must not lie around.
                if file.exists() {
                    std::fs::remove_file(&file).map_err(file_error("remove", &file))?;
                }
                let line = self
                    .part(self.ports(|ports| self.plan.demo_model(ports)))
                    .await?;
                let url = url_of(&line, "the demo model", self.layout)?;
                (
                    format!("{}/v1", url.trim_end_matches('/')),
                    self.plan.secrets.demo_model_key.clone(),
                )
            }
        };
        let line = self
            .part(self.ports(|ports| self.plan.pod_proxy(ports, &upstream, key)))
            .await?;
        let pod_proxy = address_of(&line, self.layout)?;

        let kubeconfig = match &self.plan.args.kubeconfig {
            Some(given) => self.link_kubeconfig(&kubeconfig::hand_out(given, self.layout)?)?,
            None => self.local_cluster(pod_proxy).await?,
        };
        let cluster = Cluster::connect(&kubeconfig).await?;
        let install = cluster.install(&allow_list.repositories);
        self.shared
            .progress
            .step("definitions and repositories", install)
            .await?;
        if self.plan.args.kubeconfig.is_some() && !self.plan.args.no_node {
            let config = self.plan.node_config(pod_proxy).to_string();
            write_private(&self.layout.config("node.json"), config.as_bytes())?;
            self.part(self.plan.node()).await?;
        }
        self.part(self.ports(|ports| self.plan.operator(ports, pod_proxy)))
            .await?;
        Ok((cluster, kubeconfig))
    }

    /// The API server and node of this machine; returns the administrator's kubeconfig.
    async fn local_cluster(&self, pod_proxy: SocketAddr) -> Result<PathBuf, UpError> {
        let config = self.plan.cluster_config(pod_proxy).to_string();
        write_private(&self.layout.config("local-cluster.json"), config.as_bytes())?;
        let line = self.part(self.plan.local_cluster()).await?;
        let written = line["kubeconfig"].as_str().map_or_else(
            || self.layout.root().join("cluster/kubeconfig"),
            PathBuf::from,
        );
        self.link_kubeconfig(&written)
    }

    /// The kubeconfig at a place that does not depend on how the cluster arranges its folder.
    fn link_kubeconfig(&self, written: &Path) -> Result<PathBuf, UpError> {
        let link = self.layout.root().join("kubeconfig");
        let target = written.strip_prefix(self.layout.root()).unwrap_or(written);
        match std::fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file_error("replace", &link)(error));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(target, &link).map_err(file_error("create", &link))?;
        Ok(link)
    }
}

fn url_of<'a>(line: &'a Value, title: &'static str, layout: &Layout) -> Result<&'a str, UpError> {
    line["url"].as_str().ok_or_else(|| UpError::NotStarted {
        title,
        reason: format!("its ready line has no address: {line}"),
        log: format!("the logs: {}", layout.root().join("logs").display()),
    })
}

fn address_of(line: &Value, layout: &Layout) -> Result<SocketAddr, UpError> {
    let url = url_of(line, "the pod proxy", layout)?;
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok());
    address.ok_or_else(|| UpError::NotStarted {
        title: "the pod proxy",
        reason: format!("its ready line has no usable address: {line}"),
        log: format!("the logs: {}", layout.root().join("logs").display()),
    })
}
