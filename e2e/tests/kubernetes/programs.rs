//! The real operator and the real gateway on a real API server, each with the rights of its service account and no others. The test plays
//! the kubelet: it writes the status of Pods.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use codex_e2e::{Api, bin_dir, until};
use http::Method;
use serde_json::{Value, json};

use crate::Case;
use crate::rights::Release;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[(
    "programs::a_task_from_the_gateway_becomes_a_pod",
    a_task_from_the_gateway_becomes_a_pod,
)];

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";

/// A program of ours. It dies with this value.
struct Program {
    child: Child,
    ready: Value,
    log: PathBuf,
}

impl Program {
    fn start(
        world: &World,
        name: &str,
        folder: &std::path::Path,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut child = Command::new(bin_dir()?.join(name))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("{name} is missing; run make build"))?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut program = Self {
            child,
            ready: Value::Null,
            log,
        };
        program.ready = world
            .block_on(crate::world::first_line(stdout))
            .with_context(|| program.said())?;
        Ok(program)
    }

    fn address(&self) -> Result<String> {
        let address = self.ready["listen"].as_str().or(self.ready["url"].as_str());
        Ok(address.with_context(|| self.ready.to_string())?.to_owned())
    }

    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        format!("{}:\n{text}", self.log.display())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever waited for it has noticed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn a_task_from_the_gateway_becomes_a_pod(world: &World) -> Result<()> {
    let release = Release::install_roles(world, "programs")?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    for (name, content) in [
        ("token.pem", key.serialize_pem()),
        (
            "jwt.pem",
            rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?.serialize_pem(),
        ),
        ("nonce", "n".repeat(32)),
        ("password", PASSWORD.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), content)?;
    }
    for account in ["codex-gateway", "codex-operator"] {
        write_kubeconfig(world, &release, account, &path(account))?;
    }
    let repository = json!({
        "apiVersion": "codexrunner.io/v1alpha1", "kind": "CodexRepository", "metadata": {"name": "demo"},
        "spec": {"path": "/srv/repos/demo", "source": {"persistentVolumeClaim": {"claimName": "repos"}}},
    });
    let repositories = format!(
        "/apis/codexrunner.io/v1alpha1/namespaces/{}/codexrepositories",
        release.tasks
    );
    let made = world.block_on(world.real.send(
        Method::POST,
        &repositories,
        &[],
        repository.to_string(),
    ))?;
    ensure!(made.code == 201, "{made:?}");

    let shared = [
        ("CODEX_NAMESPACE", release.tasks.clone()),
        ("CODEX_LIVE_STORE", format!("hub:{}", path("log.sock"))),
        ("CODEX_ARCHIVE", format!("file://{}", path("archive"))),
        ("CODEX_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let mut environment = shared.to_vec();
    environment.extend([
        ("KUBECONFIG", path("codex-operator")),
        ("CODEX_POD_PROXY_URL", "http://127.0.0.1:8787".to_owned()),
        ("CODEX_TASK_TOKEN_KEY_FILE", path("token.pem")),
        ("CODEX_NONCE_KEY_FILE", path("nonce")),
        ("CODEX_SPOOL_DIR", path("spool")),
        ("CODEX_IDENTITY", "test".to_owned()),
    ]);
    let operator = Program::start(world, "codex-operator", folder.path(), &environment)?;
    let mut environment = shared.to_vec();
    environment.extend([
        ("KUBECONFIG", path("codex-gateway")),
        (
            "CODEX_DATABASE_URL",
            world.block_on(codex_test_postgres::create_database())?,
        ),
        ("CODEX_JWT_KEY_FILE", path("jwt.pem")),
        ("CODEX_ADMIN_EMAIL", EMAIL.to_owned()),
        ("CODEX_ADMIN_PASSWORD_FILE", path("password")),
    ]);
    let gateway = Program::start(world, "codex-gateway", folder.path(), &environment)?;

    let played = world.block_on(play(world, &release, &gateway.address()?));
    played.with_context(|| format!("{}\n{}", operator.said(), gateway.said()))
}

/// Submits a task, lets its Pod run as a kubelet would say it, and cancels it.
async fn play(world: &World, release: &Release, gateway: &str) -> Result<()> {
    let api = until("the gateway to know the allow-list", || async {
        let Ok(api) = Api::login(gateway, EMAIL, PASSWORD).await else {
            return Ok(None);
        };
        let (status, repositories) = api
            .send(reqwest::Method::GET, "/api/repositories", None)
            .await?;
        Ok(
            (status.is_success() && repositories.to_string().contains("/srv/repos/demo"))
                .then_some(api),
        )
    })
    .await?;
    let task = api
        .submit(json!({"prompt": "Say hello", "cwd": "/srv/repos/demo", "timeout_seconds": 900, "env": {"CI": "1"}}))
        .await?;
    let core = format!("/api/v1/namespaces/{}", release.tasks);
    let pod_path = format!("{core}/pods/codex-{}", task.id);
    let get = async |path: &str| -> Result<Option<Value>> {
        let answer = world
            .real
            .send(Method::GET, path, &[], String::new())
            .await?;
        Ok((answer.code == 200)
            .then(|| serde_json::from_str(&answer.text))
            .transpose()?)
    };
    let merge = [("content-type", "application/merge-patch+json")];

    let pod = until("the Pod of the task", || get(&pod_path)).await?;
    let spec = &pod["spec"];
    ensure!(
        spec["activeDeadlineSeconds"] == 900
            && spec["automountServiceAccountToken"] == false
            && spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] == true
            && spec["volumes"][0]["persistentVolumeClaim"]["claimName"] == "repos",
        "{pod}"
    );
    ensure!(
        pod["metadata"]["ownerReferences"][0]["kind"] == "CodexTask",
        "{pod}"
    );
    let secret = get(&format!("{core}/secrets/codex-{}", task.id)).await?;
    ensure!(secret.is_some(), "the Pod has its Secret");
    ensure!(
        state(&api, &task.id).await? == "queued",
        "nothing runs before its container does"
    );

    // A scheduler's part: a Pod on no node would only be deleted.
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": format!("codex-{}", task.id)},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "codex-nowhere"}});
    let bound = world
        .real
        .send(
            Method::POST,
            &format!("{pod_path}/binding"),
            &[],
            binding.to_string(),
        )
        .await?;
    ensure!(bound.code == 201, "{bound:?}");
    // Long enough ago to have started, and not so long that its time would be over.
    let started = &pod["metadata"]["creationTimestamp"];
    let running = json!({"status": {
        "phase": "Running",
        "startTime": started,
        "containerStatuses": [{
            "name": "codex", "image": "codex-runner:local", "imageID": "", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": started}},
        }],
    }});
    let patched = world
        .real
        .send(
            Method::PATCH,
            &format!("{pod_path}/status"),
            &merge,
            running.to_string(),
        )
        .await?;
    ensure!(patched.code == 200, "{patched:?}");
    until("the gateway to say that the task runs", || async {
        Ok((state(&api, &task.id).await? == "running").then_some(()))
    })
    .await?;

    // A cancel goes the whole way back: gateway, task, operator, and the deadline of the Pod.
    let path = format!("/api/tasks/{}", task.id);
    let (status, answer) = api.send(reqwest::Method::DELETE, &path, None).await?;
    ensure!(status.is_success(), "{status} {answer}");
    until("the deadline of the Pod to come down", || async {
        let pod = get(&pod_path).await?.unwrap_or_default();
        Ok(pod["spec"]["activeDeadlineSeconds"]
            .as_i64()
            .filter(|&seconds| seconds < 900))
    })
    .await?;

    // The container ends as the deadline wants it. There is no log, so the record is what the status of the Pod says.
    let ended = json!({"status": {
        "phase": "Failed",
        "reason": "DeadlineExceeded",
        "containerStatuses": [{
            "name": "codex", "image": "codex-runner:local", "imageID": "", "ready": false, "started": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 130, "reason": "Error", "startedAt": started, "finishedAt": started}},
        }],
    }});
    let patched = world
        .real
        .send(
            Method::PATCH,
            &format!("{pod_path}/status"),
            &merge,
            ended.to_string(),
        )
        .await?;
    ensure!(patched.code == 200, "{patched:?}");
    until("the gateway to say that the task is canceled", || async {
        Ok((state(&api, &task.id).await? == "canceled").then_some(()))
    })
    .await?;
    Ok(())
}

async fn state(api: &Api, id: &str) -> Result<String> {
    let (_, task) = api
        .send(reqwest::Method::GET, &format!("/api/tasks/{id}"), None)
        .await?;
    Ok(task["status"]
        .as_str()
        .with_context(|| task.to_string())?
        .to_owned())
}

/// A kubeconfig with a token of the service account, as a Pod of the chart has one.
fn write_kubeconfig(world: &World, release: &Release, account: &str, path: &str) -> Result<()> {
    let namespace = format!("--namespace={}", release.system);
    let token = world
        .real
        .kubectl(&["create", "token", account, &namespace, "--duration=1h"])?;
    let admin = world.real.kubectl(&[
        "config",
        "view",
        "--raw",
        "--minify",
        "--flatten",
        "--output=json",
    ])?;
    let mut config: Value = serde_json::from_str(&admin)?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    std::fs::write(path, config.to_string())?;
    Ok(())
}
