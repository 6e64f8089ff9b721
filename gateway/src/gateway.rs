//! Everything together.

use std::sync::Arc;

use codex_tasklog::Reader;
use kube::Api;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Parts};
use crate::auth::crowd::Crowd;
use crate::auth::oidc::Provider;
use crate::auth::password::{self, Passwords};
use crate::auth::revocation::{self, Openings};
use crate::cluster::desk::Desk;
use crate::cluster::repositories::Repositories;
use crate::cluster::{dispatcher, finalizers, recorder};
use crate::config::Admin;
use crate::database::users::{self, NewUser, Role};
use crate::error::Error;
use crate::http::handlers::users::check_email;
use crate::http::{router, serve};
use crate::limits::Limits;
use crate::maintenance;
use crate::metrics::Metrics;
use crate::streams::fanout::{Options, Source, TaskStreams};
use crate::streams::slots::Slots;
use crate::tasks::states::TaskStates;

/// Runs a gateway until `shutdown`, and for as long after it as [`Settings::drain`](crate::app::Settings::drain) says.
///
/// # Errors
/// [`Error::Hashing`] when passwords cannot be hashed here, [`Error::Oidc`] when the provider of sign-ins cannot be used, [`Error::PartEnded`] when a part has ended that should not have.
pub async fn run(
    listener: TcpListener,
    parts: Parts,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let passwords = Passwords::new()
        .await
        .map_err(|error| Error::Hashing(error.to_string()))?;
    let oidc = parts.settings.oidc.clone().map(Provider::new).transpose()?;
    // The order is one thing, the end another.
    let (stopping, shutdown) = (shutdown, CancellationToken::new());
    let drain = parts.settings.drain;
    let (repositories, feed) = Repositories::new();
    let (outbox, handed) = Desk::new();
    let metrics = Arc::new(Metrics::default());
    let reader = Reader::new(Arc::clone(&parts.live), Arc::clone(&parts.archive));
    let source = Source {
        reader: reader.clone(),
        archive: Arc::clone(&parts.archive),
    };
    let streams = TaskStreams::new(
        source,
        Options {
            cache_bytes: parts.settings.stream_cache,
            ..Options::default()
        },
        Arc::clone(&metrics),
        shutdown.clone(),
    );
    let app = Arc::new(App {
        reader,
        streams: streams.clone(),
        slots: Slots::new(
            parts.settings.streams_per_user,
            parts.settings.streams_total,
        ),
        limits: Limits::new(parts.settings.rates, parts.limiter, Arc::clone(&metrics)),
        pool: parts.pool,
        client: parts.client,
        live: parts.live,
        archive: parts.archive,
        tokens: parts.tokens,
        passwords,
        logins: Crowd::default(),
        oidc,
        openings: Openings::default(),
        repositories,
        states: TaskStates::default(),
        outbox,
        tracer: parts.tracer,
        metrics,
        settings: parts.settings,
        stopping: stopping.clone(),
        shutdown: shutdown.clone(),
    });
    let namespace = &app.settings.namespace;
    let (changes, queue) = mpsc::channel(finalizers::QUEUE);

    let mut running = JoinSet::new();
    let mut start = |name: &'static str, part: futures::future::BoxFuture<'static, ()>| {
        running.spawn(async move {
            part.await;
            name
        });
    };
    let end = shutdown.clone();
    start(
        "end",
        Box::pin(async move {
            tokio::select! {
                () = end.cancelled() => return,
                () = stopping.cancelled() => {}
            }
            tracing::info!(drain.seconds = drain.as_secs(), "the gateway stops");
            tokio::select! {
                () = end.cancelled() => {}
                () = tokio::time::sleep(drain) => end.cancel(),
            }
        }),
    );
    let watched = Api::namespaced(app.client.clone(), namespace);
    start(
        "watch of the repositories",
        Box::pin(feed.run(watched, shutdown.clone())),
    );
    start("streams", Box::pin(async move { streams.ended().await }));
    start(
        "dispatcher",
        Box::pin(dispatcher::run(Arc::clone(&app), handed)),
    );
    start(
        "recorder",
        Box::pin(recorder::run(Arc::clone(&app), changes)),
    );
    start("maintenance", Box::pin(maintenance::run(Arc::clone(&app))));
    start(
        "finalizer worker",
        Box::pin(finalizers::run(Arc::clone(&app), queue)),
    );
    start("signing keys", {
        let app = Arc::clone(&app);
        Box::pin(async move { app.tokens.keep_current(&app.shutdown).await })
    });
    start("revocation", Box::pin(revocation::run(Arc::clone(&app))));
    let routes = router::router(&app);
    let manners = serve::Manners::new(&app.settings, Arc::clone(&app.metrics));
    start(
        "HTTP server",
        Box::pin(serve::serve(listener, routes, manners, shutdown.clone())),
    );

    let mut first_failure = None;
    while let Some(ended) = running.join_next().await {
        if !shutdown.is_cancelled() {
            // A part that panicked or gave up leaves a gateway that looks well and is not.
            let name = ended.unwrap_or("part of the gateway that panicked");
            first_failure = Some(Error::PartEnded(name));
            shutdown.cancel();
        }
    }
    app.pool.close().await;
    first_failure.map_or(Ok(()), Err)
}

/// Makes the first administrator when there is no user at all.
///
/// # Errors
/// [`Error::AdminPassword`], [`Error::Setting`] or [`Error::Bootstrap`].
pub async fn bootstrap(pool: &sqlx::PgPool, admin: Admin) -> Result<(), Error> {
    check_email(&admin.email).map_err(|_| Error::Setting {
        name: "CODEX_ADMIN_EMAIL",
        value: admin.email.clone(),
        expected: "write an email address",
    })?;
    if users::exist(pool).await.map_err(Error::Bootstrap)? {
        return Ok(());
    }
    let hash = password::hash(admin.password)
        .await
        .map_err(|error| Error::AdminPassword(error.to_string()))?;
    let user = NewUser {
        email: &admin.email,
        password_hash: Some(&hash),
        role: Role::Admin,
    };
    if users::create_first(pool, &user)
        .await
        .map_err(Error::Bootstrap)?
    {
        tracing::info!("the first administrator is made");
    }
    Ok(())
}
