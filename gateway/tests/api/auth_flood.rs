//! `/auth/login` under more logins than the gateway can take.

use std::collections::BTreeMap;

use codex_gateway::http::client_address::TrustedProxies;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;
use sqlx::Connection as _;

use crate::support::client::Client;
use crate::support::world::{ADMIN, PASSWORD, World};

/// How many logins are let in, in all and from one address.
const PLACES: usize = 64;
const PLACES_PER_ADDRESS: usize = 8;

/// Status, code, and for how long to wait.
type Heard = (u16, String, Option<String>);

/// Sends logins of as many people, none of whom exists.
fn flood(client: &Client, count: usize) -> FuturesUnordered<BoxFuture<'static, Heard>> {
    (0..count)
        .map(|number| {
            let client = client.clone();
            async move {
                let email = format!("nobody-{number}@example.test");
                let login = json!({ "email": email, "password": "a guess" });
                let answer = client.post("/auth/login", &login).await;
                let wait = answer.headers.get("retry-after");
                let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
                (answer.status, answer.error().to_owned(), wait)
            }
            .boxed()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_waits_in_bounds() {
    let world =
        World::start_with(|setup| setup.settings.trusted_proxies = TrustedProxies::Hops(1)).await;
    let client = |address: usize| world.stranger().from(&format!("192.0.2.{address}"));
    // Every login stands still where its failures are counted, so that those that are let in stay.
    let mut blocker = sqlx::PgConnection::connect(&world.setup.database_url)
        .await
        .unwrap();
    let mut lock = blocker.begin().await.unwrap();
    sqlx::query("LOCK TABLE login_attempts IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();

    // One address gets its places, and whatever more it sends is refused at once.
    let mut under_way = flood(&client(0), PLACES_PER_ADDRESS + 20);
    for _ in 0..20 {
        let (status, code, wait) = under_way.next().await.unwrap();
        assert_eq!(
            (status, code.as_str(), wait.as_deref()),
            (429, "too_many_requests", Some("1"))
        );
    }
    // Others still get theirs, until the gateway has as many as it takes.
    let mut others = FuturesUnordered::new();
    for address in 1..=PLACES / PLACES_PER_ADDRESS {
        others.extend(flood(&client(address), PLACES_PER_ADDRESS));
    }
    for _ in 0..PLACES_PER_ADDRESS {
        let (status, code, wait) = others.next().await.unwrap();
        assert_eq!(
            (status, code.as_str(), wait.as_deref()),
            (503, "too_many_logins", Some("1"))
        );
    }
    drop(lock);
    blocker.close().await.unwrap();

    // Those that were let in come to their end, and their places are free again. Who waited too long for the database hears that.
    let mut answers = BTreeMap::<u16, usize>::new();
    let mut rest = under_way.chain(others);
    while let Some((status, ..)) = rest.next().await {
        *answers.entry(status).or_default() += 1;
    }
    let ended = [401, 503].map(|status| answers.remove(&status).unwrap_or(0));
    assert_eq!(ended.iter().sum::<usize>(), PLACES, "{answers:?}");
    assert!(answers.is_empty(), "{answers:?}");
    client(0).login(ADMIN, PASSWORD).await;
    let again: Vec<_> = flood(&client(99), PLACES_PER_ADDRESS).collect().await;
    assert!(again.iter().all(|(status, ..)| *status == 401), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_from_one_address_locks_nobody_else_out() {
    let world =
        World::start_with(|setup| setup.settings.trusted_proxies = TrustedProxies::Hops(1)).await;
    let flooder = world.stranger().from("192.0.2.1");
    let mut flood = flood(&flooder, 300);
    // In the middle of it somebody logs in from elsewhere.
    let (status, ..) = flood.next().await.unwrap();
    assert!(matches!(status, 401 | 429), "{status}");
    world
        .stranger()
        .from("192.0.2.2")
        .login(ADMIN, PASSWORD)
        .await;
    let mut tried = 0;
    while let Some((status, _, wait)) = flood.next().await {
        assert!(matches!(status, 401 | 429), "{status}");
        assert_eq!(status == 429, wait.is_some());
        tried += usize::from(status == 401);
    }
    assert!(tried < 60, "{tried} guesses were free");
}
