//! What the submissions go to: PostgreSQL, an API server and a gateway, each a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use codex_crds::{CodexRepository, CodexTask};
use codex_local_cluster::api::{ApiConfig, ApiServer};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::postgres::Postgres;

/// Where the gateway works.
const TASKS: &str = "codex-tasks";
/// Where resources are created without it.
pub(crate) const BARE: &str = "bare";
const EMAIL: &str = "bench@localhost";
const PASSWORD: &str = "the password of a benchmark";
/// As many connections as the most clients: none waits for one.
const CONNECTIONS: u32 = 40;

/// Everything that is measured. It ends with this value.
pub(crate) struct Stage {
    /// The address of the gateway.
    pub(crate) url: String,
    /// The database, past the gateway.
    pub(crate) pool: PgPool,
    /// The API server, past the gateway, with all rights.
    pub(crate) kube: kube::Client,
    // In the order in which they end.
    _gateway: Process,
    _cluster: Process,
    _postgres: Postgres,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts it.
    ///
    /// # Errors
    /// When a part does not start.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("codex-bench-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let postgres = Postgres::start()?;
        let (cluster, ready) = Process::start(
            Command::new(std::env::current_exe()?)
                .arg("cluster")
                .arg(path("cluster")),
        )?;
        let kubeconfig = |user: &str| -> Result<PathBuf> {
            let path = ready[user].as_str().context("a kubeconfig")?;
            Ok(path.into())
        };
        let config = kube::Config::from_custom_kubeconfig(
            Kubeconfig::read_from(kubeconfig("admin")?)?,
            &KubeConfigOptions::default(),
        )
        .await?;
        let kube = kube::Client::try_from(config)?;
        install(&kube).await?;

        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        std::fs::write(path("key.pem"), key.serialize_pem())?;
        std::fs::write(path("password"), PASSWORD)?;
        let log = std::fs::File::create(path("gateway.log"))?;
        let mut gateway = Command::new(std::env::current_exe()?);
        // What somebody has set for another gateway is none of this one's business.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CODEX_")
                || name.as_encoded_bytes().starts_with(b"OTEL_")
            {
                gateway.env_remove(name);
            }
        }
        let (gateway, ready) = Process::start(
            gateway
                .arg("gateway")
                .env("CODEX_LISTEN", "127.0.0.1:0")
                .env("CODEX_DATABASE_URL", postgres.url())
                .env("KUBECONFIG", kubeconfig("gateway")?)
                .env("CODEX_NAMESPACE", TASKS)
                // Nothing runs, so there are no logs.
                .env("CODEX_LIVE_STORE", format!("hub:{}", path("hub").display()))
                .env(
                    "CODEX_ARCHIVE",
                    format!("file://{}", path("archive").display()),
                )
                .env("CODEX_JWT_KEY_FILE", path("key.pem"))
                .env("CODEX_ADMIN_EMAIL", EMAIL)
                .env("CODEX_ADMIN_PASSWORD_FILE", path("password"))
                // Counted as always, and never full.
                .env("CODEX_RATE_WRITES", "1000000:1000000")
                .env("CODEX_RATE_WRITES_ADMIN", "1000000:1000000")
                .env("CODEX_TASKS_PER_USER", "1000000")
                .env("RUST_LOG", "info")
                .stderr(log),
        )?;
        let url = ready["url"]
            .as_str()
            .context("the gateway has an address")?;
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            // A bare INSERT is one round trip.
            .test_before_acquire(false)
            .connect(postgres.url())
            .await?;
        // LIKE leaves out what refers to other tables.
        sqlx::raw_sql(
            "CREATE TABLE bare_tasks (LIKE tasks INCLUDING ALL, \
             FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL)",
        )
        .execute(&pool)
        .await?;
        Ok(Self {
            url: url.to_owned(),
            pool,
            kube,
            _gateway: gateway,
            _cluster: cluster,
            _postgres: postgres,
            _folder: folder,
        })
    }

    /// Makes users, and answers with a token of each.
    ///
    /// # Errors
    /// When the gateway refuses.
    pub(crate) async fn users(&self, count: usize) -> Result<Vec<String>> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let admin = self.login(&http, EMAIL).await?;
        let mut tokens = Vec::new();
        for index in 0..count {
            let email = format!("user-{index}@localhost");
            let made = http
                .post(format!("{}/api/users", self.url))
                .bearer_auth(&admin)
                .json(&json!({ "email": email, "password": PASSWORD }))
                .send()
                .await?;
            ensure!(made.status() == 201, "{}", made.text().await?);
            tokens.push(self.login(&http, &email).await?);
        }
        Ok(tokens)
    }

    async fn login(&self, http: &reqwest::Client, email: &str) -> Result<String> {
        let answer = http
            .post(format!("{}/auth/login", self.url))
            .json(&json!({ "email": email, "password": PASSWORD }))
            .send()
            .await?
            .error_for_status()?;
        let tokens: Value = answer.json().await?;
        let token = tokens["access_token"].as_str().context("a token")?;
        Ok(token.to_owned())
    }

    /// The metadata of the tasks of all namespaces.
    pub(crate) fn all_tasks(&self) -> Api<PartialObjectMeta<CodexTask>> {
        Api::all(self.kube.clone())
    }

    /// Ends all tasks on record, as if an operator had run them: nobody has thousands of them open.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn end_tasks(&self) -> Result<()> {
        sqlx::query(
            "UPDATE tasks SET state = 'completed', finished_at = now(), revision = revision + 1 \
             WHERE state IN ('queued', 'running')",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// A child that says in one line of JSON that it is ready, and ends with its standard input.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Result<(Self, Value)> {
        let mut process = Self(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()?,
        );
        let output = process
            .0
            .stdout
            .take()
            .context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let ready = serde_json::from_str(&line)
            .with_context(|| format!("{command:?} said {line:?} instead of being ready"))?;
        Ok((process, ready))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What it has is thrown away.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The API server, as a process: until its standard input ends.
///
/// # Errors
/// When it does not start, or fails.
pub(crate) async fn serve_cluster(folder: PathBuf) -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let running = ApiServer::start(ApiConfig::new(folder), None).await?;
    let path = |user: &str| {
        running
            .kubeconfig_of(user)
            .map(|path| path.display().to_string())
    };
    let ready = json!({ "admin": path("admin"), "gateway": path("gateway") });
    writeln!(std::io::stdout(), "{ready}")?;
    tokio::select! {
        () = life_line() => Ok(()),
        failure = running.failed() => anyhow::bail!("the API server failed: {failure}"),
    }
}

/// The gateway, as a process, as its own program starts it: until its standard input ends.
///
/// # Errors
/// Those of the gateway.
pub(crate) async fn serve_gateway() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Not `load`, which takes the options of this program for those of the gateway.
    let loaded =
        codex_settings::read::<codex_gateway::Config>(["codex-gateway"], std::env::vars_os())
            .unwrap_or_else(|stop| stop.exit());
    codex_telemetry::start_log();
    codex_gateway::process::allow_files();
    let config = loaded.warn();
    let tracer = codex_telemetry::Tracer::from_env("codex-gateway")?;
    let parts = config.connect(tracer.clone()).await?;
    if let Some(admin) = config.admin() {
        codex_gateway::bootstrap(&parts.pool, admin).await?;
    }
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    codex_gateway::process::announce(listener.local_addr()?)?;
    let shutdown = tokio_util::sync::CancellationToken::new();
    let result = tokio::select! {
        () = life_line() => Ok(()),
        result = codex_gateway::run(listener, parts, shutdown.clone()) => result,
    };
    tracer.shut_down().await;
    Ok(result?)
}

/// Ends when whoever started this process does.
pub(crate) async fn life_line() {
    let mut input = tokio::io::stdin();
    // Nothing is ever written there.
    let _ = tokio::io::copy(&mut input, &mut tokio::io::sink()).await;
}

/// What `codex-remote up` puts into a cluster.
async fn install(client: &kube::Client) -> Result<()> {
    let apply = PatchParams::apply("codex-bench").force();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in codex_crds::definitions() {
        let name = definition.metadata.name.clone().unwrap_or_default();
        definitions
            .patch(&name, &apply, &Patch::Apply(&definition))
            .await?;
        let established = kube::runtime::wait::conditions::is_crd_established();
        kube::runtime::wait::await_condition(definitions.clone(), &name, established).await?;
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in [TASKS, BARE] {
        let namespace: Namespace = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name }
        }))?;
        namespaces
            .patch(name, &apply, &Patch::Apply(&namespace))
            .await?;
    }
    let repository: CodexRepository = serde_json::from_value(json!({
        "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexRepository", "metadata": { "name": "app" },
        "spec": { "path": "/srv/repos/app", "source": { "hostPath": { "path": "/tmp" } } },
    }))?;
    let repositories: Api<CodexRepository> = Api::namespaced(client.clone(), TASKS);
    repositories
        .create(&PostParams::default(), &repository)
        .await?;
    Ok(())
}
