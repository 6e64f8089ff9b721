//! Two gateways on one PostgreSQL and one Redis, behind nginx with the recommended configuration (`deploy/nginx.conf`).

mod access;
mod limits;
mod repetitions;
mod streams;

use std::net::{IpAddr, Ipv4Addr};

use crate::support::client::Client;
use crate::support::nginx::Nginx;
use crate::support::program::Program;
use crate::support::redis::Redis;
use crate::support::world::{PASSWORD, World};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Everything, with clients outside.
struct Site {
    world: World,
    redis: Redis,
    gateways: [Option<Program>; 2],
    nginx: Nginx,
}

impl Site {
    async fn start(env: &[(&str, &str)]) -> Self {
        let (world, redis) = tokio::join!(World::start(), Redis::start());
        let first = gateway(&world, &redis, env, None).await;
        let second = gateway(&world, &redis, env, None).await;
        let nginx = Nginx::start([first.address(), second.address()]).await;
        Self {
            world,
            redis,
            gateways: [Some(first), Some(second)],
            nginx,
        }
    }

    fn gateway(&self, index: usize) -> &Program {
        self.gateways[index].as_ref().unwrap()
    }

    /// kill -9, and another one at the same address.
    async fn replace(&mut self, index: usize, env: &[(&str, &str)]) {
        let old = self.gateways[index].take().unwrap();
        let address = old.address().to_owned();
        old.kill().await;
        let new = gateway(&self.world, &self.redis, env, Some(&address)).await;
        self.gateways[index] = Some(new);
    }

    /// Somebody who is logged in, through nginx.
    async fn login(&self, email: &str) -> Client {
        let client = self.nginx.client(None, HERE);
        let token = client.login(email, PASSWORD).await.token;
        self.nginx.client(token.as_deref(), HERE)
    }

    async fn user(&self, name: &str) -> Client {
        self.world.user(name).await;
        self.login(&format!("{name}@example.test")).await
    }

    /// A number of a gateway.
    async fn metric(&self, index: usize, name: &str) -> u64 {
        let metrics = Client::new(&self.gateway(index).url, None)
            .get("/metrics")
            .await;
        let text = metrics.body.as_str().unwrap().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    }
}

async fn gateway(
    world: &World,
    redis: &Redis,
    env: &[(&str, &str)],
    address: Option<&str>,
) -> Program {
    let store = redis.address();
    let mut all = vec![
        ("CODEX_LIVE_STORE", store.as_str()),
        ("CODEX_TRUSTED_PROXIES", "127.0.0.1"),
        ("CODEX_LISTEN", address.unwrap_or("127.0.0.1:0")),
    ];
    all.extend(env);
    Program::start(world, &all).await
}
