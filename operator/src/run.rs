//! Puts the parts together.
//!
//! Of several operators only the holder of the Lease watches, decides and reads logs ([`leader`](crate::leader)). The others serve
//! their probes and wait. One that loses the Lease ends, and stands by again when it is started anew: that is the surest way to stop
//! everything. What it still writes costs conflicts, not correctness, because all that is written carries a version or a fixed name.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use codex_crds::CodexTask;
use codex_telemetry::Tracer;
use futures::StreamExt as _;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{applier, controller};
use kube::{Api, Client};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::checkpoint::{self, Checkpoints};
use crate::config::Config;
use crate::error::Error;
use crate::events::EventSink;
use crate::follow::{FollowTiming, LogStores, Logs, Repairs};
use crate::http::{self, Probes};
use crate::keys::TokenSigner;
use crate::leader::{Election, Leadership};
use crate::metrics::Metrics;
use crate::preflight::Preflight;
use crate::reconcile::{self, Context, Memories};
use crate::spool::Spool;
use crate::supervisor::Supervisor;
use crate::{allow_list, informers, leader, live};

/// How many passes may be asked for before whoever asks has to wait.
const QUEUE: usize = 4096;
/// How many passes happen at once.
const CONCURRENCY: u16 = 32;

/// How long passes may take to end on shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// What is needed to run.
pub struct Options {
    /// The configuration.
    pub config: Config,
    /// How the Kubernetes API is reached.
    pub connection: kube::Config,
    /// Where tests let the operator die.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Times of the log readers.
    pub timing: FollowTiming,
    /// Where spans go.
    pub tracer: Tracer,
    /// Told once the caches are filled.
    pub ready: Option<oneshot::Sender<Ready>>,
}

/// The operator is at work.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Where the probes and metrics are.
    pub listen: SocketAddr,
}

impl Options {
    /// Options as in production.
    #[must_use]
    pub fn new(config: Config, connection: kube::Config) -> Self {
        Self {
            config,
            connection,
            checkpoints: checkpoint::go_on(),
            timing: FollowTiming::default(),
            tracer: Tracer::off(),
            ready: None,
        }
    }
}

/// Runs the operator until `shutdown`. Tasks go on meanwhile; the next operator takes over where this one stopped.
///
/// # Errors
/// [`Error`] when a key or a socket cannot be used, or when a part of the operator died.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    let Options {
        config,
        connection,
        checkpoints,
        timing,
        tracer,
        ready,
    } = options;
    let config = Arc::new(config);
    let client = Client::try_from(connection.clone())?;
    let supervisor = Supervisor::new(shutdown.clone());
    let signer = TokenSigner::from_pem(&config.task_token_key)?;
    let nonces = config.nonces()?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| Error::Listen {
            address: config.listen.to_string(),
            source,
        })?;
    let listen = listener.local_addr().unwrap_or(config.listen);
    tracing::info!(%listen, "probes and metrics are served");
    let live = live::open_live(&config, &supervisor)?;

    let namespace = config.namespace.as_str();
    let lease = config.lease();
    let leadership = match &lease {
        Some(_) => Leadership::none(),
        None => Leadership::undisputed(),
    };
    let metrics = Arc::new(Metrics::default());
    let spool = Spool::open(
        &config.spool_dir,
        config.spool_limits(),
        Arc::clone(&metrics),
    )
    .map_err(|source| Error::Spool {
        path: config.spool_dir.clone(),
        source,
    })?;
    let preflight = Arc::new(Preflight::default());
    let (wake, queue) = mpsc::channel(QUEUE);
    let (tasks, task_writer) = reflector::store();
    let (pods, pod_writer) = reflector::store();
    let (repositories, repository_writer) = reflector::store();
    let pod_api = Api::namespaced(client.clone(), namespace);
    let stores = LogStores {
        pods: pod_api.clone(),
        live,
        archive: config.archive.open().await,
        spool: spool.clone(),
        repairs: Repairs::new(metrics.waiting_repairs.clone()),
        metrics: Arc::clone(&metrics),
        wake: wake.clone(),
        timing,
        checkpoints: Arc::clone(&checkpoints),
    };
    let context = Arc::new(Context {
        tasks,
        pods,
        repositories,
        task_api: Api::namespaced(client.clone(), namespace),
        pod_api,
        secret_api: Api::namespaced(client.clone(), namespace),
        repository_api: Api::namespaced(client.clone(), namespace),
        admission: Arc::new(Admission::default()),
        logs: Logs::new(stores, supervisor.clone()),
        memories: Memories::default(),
        events: EventSink::start(client.clone(), &supervisor, Arc::clone(&metrics)),
        metrics,
        preflight: Arc::clone(&preflight),
        tracer,
        signer,
        nonces,
        checkpoints,
        config: Arc::clone(&config),
    });

    let (is_ready, readiness) = watch::channel(false);
    supervisor.spawn_vital(
        "the server of probes",
        http::serve(
            listener,
            Probes {
                context: Arc::clone(&context),
                ready: readiness,
                leadership: leadership.clone(),
            },
            shutdown.clone(),
        ),
    );
    tokio::select! {
        () = shutdown.cancelled() => return supervisor.run().await,
        () = preflight.wait(&client, &config) => {}
    }
    let looking = Arc::clone(&preflight).watch(client.clone(), Arc::clone(&config));
    supervisor.spawn("the preflight", looking);
    let mut announce = {
        let mut ready = ready;
        move || {
            is_ready.send_replace(true);
            if let Some(ready) = ready.take() {
                // Nobody has to listen.
                let _ = ready.send(Ready { listen });
            }
        }
    };
    if let Some(lease) = &lease {
        let (client, leadership) = (client.clone(), leadership.clone());
        let mut election = Election::new(client, namespace, lease.clone(), leadership);
        tokio::select! {
            () = shutdown.cancelled() => return supervisor.run().await,
            () = stand_by(&mut election, &mut announce) => {}
        }
        let stop = shutdown.clone();
        supervisor.spawn_vital("the hold on the lease", async move {
            let client = || Ok(Client::try_from(connection)?);
            tokio::select! {
                () = stop.cancelled() => {}
                kept = election.keep_apart(client) => if let Err(error) = kept {
                    tracing::error!(%error, "the lease cannot be kept");
                }
            }
        });
    }

    let work = Work {
        context: Arc::clone(&context),
        supervisor: supervisor.clone(),
        leadership: leadership.clone(),
    };
    let changed = Arc::new(Notify::new());
    work.vital(
        "the watch of repositories",
        informers::watch_repositories(
            context.repository_api.clone(),
            repository_writer,
            Arc::clone(&changed),
        ),
    );
    work.vital(
        "the allow-list",
        allow_list::publish(
            client.clone(),
            Arc::clone(&config),
            context.repositories.clone(),
            changed,
        ),
    );
    work.vital(
        "the watch of Pods",
        informers::watch_pods(Arc::clone(&context), pod_writer, wake.clone()),
    );
    work.vital(
        "the watch of tasks",
        informers::watch_tasks(Arc::clone(&context), task_writer, wake.clone()),
    );
    // Nobody else waits for these stores at the same time: kube wakes only the one that asked last (`DelayedInit` of kube-runtime 5.0).
    // The controller asks too, but it is started when they are filled.
    // Decisions need all three caches: a task must not look as if it had no Pod because the list of Pods came later.
    let filled = async {
        let _ = context.repositories.wait_until_ready().await;
        let _ = context.pods.wait_until_ready().await;
        let _ = context.tasks.wait_until_ready().await;
    };
    let is_filled = tokio::select! {
        () = shutdown.cancelled() => false,
        () = filled => true,
    };
    if is_filled {
        let known = context.tasks.clone();
        spool
            .sweep(move |id| {
                let all = known.state();
                let task = all
                    .iter()
                    .find(|task| task.task_id().as_deref() == Some(id));
                task.map(|task| task.phase().is_final())
            })
            .await;
        let admission = Arc::clone(&context.admission);
        let (all_tasks, limits) = (context.tasks.clone(), config.limits());
        work.vital("the queue", async move {
            admission
                .run(all_tasks, limits, spool.pressure(), wake)
                .await;
        });
        supervisor.spawn_vital("the controller", control(work, queue, shutdown));
        tracing::info!(namespace, %listen, "the operator is ready");
        announce();
    }
    let ended = supervisor.run().await;
    if let Some(lease) = &lease
        && leadership.holds()
    {
        leader::release(client, namespace, lease).await;
    }
    ended
}

/// Waits for this operator's turn. One that has to wait is as ready as it can be.
async fn stand_by(election: &mut Election, announce: &mut (impl FnMut() + Send)) {
    if !election.try_once().await {
        announce();
        election.acquire().await;
    }
}

struct Work {
    context: Arc<Context>,
    supervisor: Supervisor,
    leadership: Leadership,
}

impl Work {
    /// Runs a part that never ends by itself.
    fn vital(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.supervisor.shutdown();
        self.supervisor.spawn_vital(name, async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = part => {}
            }
        });
    }
}

/// Makes the passes. On shutdown those that run are finished, and no new ones begin.
async fn control(
    work: Work,
    queue: mpsc::Receiver<ObjectRef<CodexTask>>,
    shutdown: CancellationToken,
) {
    let queue = ReceiverStream::new(queue)
        .map(Ok::<_, Infallible>)
        .take_until(shutdown.clone().cancelled_owned());
    let leadership = work.leadership.clone();
    let passes = applier(
        move |task, context| {
            let may_work = leadership.holds();
            Box::pin(async move {
                if may_work {
                    reconcile::reconcile(task, context).await
                } else {
                    // This operator was frozen, or is about to end.
                    Ok(controller::Action::await_change())
                }
            })
        },
        reconcile::retry,
        Arc::clone(&work.context),
        work.context.tasks.clone(),
        queue,
        controller::Config::default().concurrency(CONCURRENCY),
    );
    let passes = passes.for_each(|result| {
            // Failed passes are told by `retry`.
            if let Err(controller::Error::ObjectNotFound(reference)) = result {
                let context = Arc::clone(&work.context);
                work.supervisor.spawn("the release of orphans", async move {
                    let released = reconcile::release_orphans(&context, &reference.name).await;
                    if let Err(error) = released {
                        tracing::warn!(%error, task = %reference.name, "a Pod without task could not be released");
                    }
                });
            }
            futures::future::ready(())
        });
    tokio::select! {
        () = passes => {}
        // An API that does not answer must not hold up the end; every step may be cut off anywhere.
        () = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN.min(work.leadership.remaining())).await;
        } => tracing::warn!("passes over tasks were cut off"),
    }
}
