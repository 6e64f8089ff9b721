//! Who is asking, from where, and whether they still may.

use std::net::{IpAddr, Ipv4Addr};

use reqwest::Method;
use serde_json::json;

use super::{HERE, Site};
use crate::support::client::Client;
use crate::support::world::{ADMIN, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn access_ends_on_both_wherever_it_is_ended() {
    let site = Site::start(&[]).await;
    let admin = site.login(ADMIN).await;
    let ada = site.user("ada").await;
    let id = ada.submit(&json!({ "prompt": "x" })).await;
    let open = async |client: &Client| {
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(client.stream(&id, "", None).await);
        }
        for index in [0, 1] {
            assert!(site.metric(index, "codex_gateway_streams_open ").await > 0);
        }
        streams
    };

    // Signed out through one of them.
    let tokens = ada
        .at(&site.gateway(0).url)
        .post(
            "/auth/login",
            &json!({ "email": "ada@example.test", "password": PASSWORD }),
        )
        .await;
    let session = site
        .nginx
        .client(tokens.body["access_token"].as_str(), HERE);
    let streams = open(&session).await;
    let body = json!({ "refresh_token": tokens.body["refresh_token"] });
    let out = session
        .at(&site.gateway(1).url)
        .post("/auth/logout", &body)
        .await;
    assert_eq!(out.status, 204);
    for mut stream in streams {
        assert!(stream.rest().await.iter().all(|event| event.name != "done"));
    }
    for gateway in [0, 1] {
        let answer = session.at(&site.gateway(gateway).url).get("/api/me").await;
        assert_eq!(answer.status, 401);
    }

    // Disabled through nginx, whoever serves it.
    let streams = open(&ada).await;
    let path = format!("/api/users/{}", ada.user_id().await);
    let disabled = admin.patch(&path, &json!({ "disabled": true })).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    for mut stream in streams {
        stream.rest().await;
    }
    for gateway in [0, 1] {
        let answer = ada.at(&site.gateway(gateway).url).get("/api/me").await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_has_the_address_of_the_client() {
    let site = Site::start(&[]).await;
    let token = site.login(ADMIN).await.token;
    for (last, told) in [
        (9, None),
        (10, Some("6.6.6.6")),
        (11, Some("6.6.6.6, 127.0.0.1")),
    ] {
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let client = site.nginx.client(token.as_deref(), from);
        let mut request = client
            .request(Method::POST, "/api/tasks")
            .json(&json!({ "prompt": "x" }));
        if let Some(told) = told {
            request = request.header("x-forwarded-for", told);
        }
        let made = client.send(request).await;
        let target = format!("task:{}", made.body["task_id"].as_str().unwrap());
        let entries = client
            .get(&format!("/api/audit?target={target}"))
            .await
            .body;
        assert_eq!(entries["entries"][0]["ip"], from.to_string(), "{entries}");
    }
}
