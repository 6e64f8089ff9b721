//! `GET /api/tasks/{id}/ws`.

use codex_tasklog::Body;
use futures::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::DEADLINE;
use crate::support::world::World;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn request(world: &World, id: &str, query: &str) -> Request {
    let address = world.gateway().url.replace("http://", "ws://");
    format!("{address}/api/tasks/{id}/ws{query}")
        .into_client_request()
        .unwrap()
}

async fn connect(mut request: Request, token: &str) -> (Socket, Response) {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    tokio_tungstenite::connect_async(request).await.unwrap()
}

/// The status and the word of the error of a handshake that is refused.
async fn refused(request: Request) -> (u16, Value) {
    match tokio_tungstenite::connect_async(request).await {
        Err(Error::Http(response)) => {
            let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
            (response.status().as_u16(), body["error"]["code"].clone())
        }
        other => panic!("{other:?}"),
    }
}

async fn next(socket: &mut Socket) -> Message {
    let message = tokio::time::timeout(DEADLINE, socket.next()).await;
    message.expect("a message in time").unwrap().unwrap()
}

/// The messages up to the first that is enough.
async fn until(socket: &mut Socket, enough: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    while messages.last().is_none_or(|message| !enough(message)) {
        match next(socket).await {
            Message::Text(text) => messages.push(serde_json::from_str(&text).unwrap()),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
    messages
}

async fn close_code(socket: &mut Socket) -> CloseCode {
    match next(socket).await {
        Message::Close(Some(frame)) => frame.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_the_stream_come_as_messages() {
    let world = World::start().await;
    let admin = world.admin().await;
    let token = admin.token.clone().unwrap();
    let id = world.submitted(&admin).await;
    let (mut socket, _) = connect(request(&world, &id, ""), &token).await;
    let first = until(&mut socket, |_| true).await;
    assert_eq!(first[0]["event"], "status");
    assert_eq!(first[0]["data"]["state"], "queued");
    assert!(first[0].get("id").is_none());
    world.write_lines(&id, 1..=3).await;
    let json = r#"{"type":"item.completed","item":{"text":"a\nb"}}"#.into();
    world.write(&id, 4, Body::Event { json, more: false }).await;
    let events = until(&mut socket, |event| event["id"] == 4).await;
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| event["id"].as_u64())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(
        events[0],
        json!({ "event": "log", "id": 1, "data": { "line": "line 1", "ts": "2026-01-02T03:04:05.000006Z", "stream": "stderr" } })
    );
    let item = events.last().unwrap();
    assert_eq!(item["event"], "item");
    assert_eq!(item["data"]["item"]["text"], "a\nb");
    // Pings of the client are answered.
    socket.send(Message::Ping("x".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("x".into()));

    world.finish(&id, 4).await;
    let end = until(&mut socket, |event| event["event"] == "done").await;
    assert_eq!(end.last().unwrap()["data"]["exit_code"], 0);
    assert_eq!(close_code(&mut socket).await, CloseCode::Normal);

    // Long after, from a number on.
    let (mut socket, _) = connect(request(&world, &id, "?after=2&view=raw"), &token).await;
    let again = until(&mut socket, |event| event["event"] == "done").await;
    let ids: Vec<_> = again
        .iter()
        .filter_map(|event| event["id"].as_u64())
        .collect();
    assert_eq!(ids, [3, 4]);
    assert!(again.iter().all(|event| event["event"] != "item"));
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_send_the_token_as_a_subprotocol() {
    let mut world = World::start().await;
    let admin = world.admin().await;
    let token = admin.token.clone().unwrap();
    let id = world.submitted(&admin).await;
    let offer = |protocols: &str| {
        let mut request = request(&world, &id, "");
        let value = HeaderValue::from_str(protocols).unwrap();
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        request
    };
    // What is chosen is no secret where there is a choice.
    let offered = offer(&format!("codex.events, bearer.{token}"));
    let (mut socket, response) = tokio_tungstenite::connect_async(offered).await.unwrap();
    assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "codex.events");
    until(&mut socket, |event| event["event"] == "status").await;
    let offered = offer(&format!("bearer.{token}"));
    let (_, response) = tokio_tungstenite::connect_async(offered).await.unwrap();
    let chosen = response.headers()[SEC_WEBSOCKET_PROTOCOL].to_str().unwrap();
    assert_eq!(chosen, format!("bearer.{token}"));

    let unauthenticated = (401, json!("unauthenticated"));
    assert_eq!(refused(offer("bearer.nonsense")).await, unauthenticated);
    assert_eq!(refused(offer("codex.events")).await, unauthenticated);
    for query in [
        "",
        &format!("?token={token}"),
        &format!("?access_token={token}"),
    ] {
        assert_eq!(refused(request(&world, &id, query)).await, unauthenticated);
    }
    // The protocol is a way in for WebSocket only.
    let plain = world.stranger();
    let answer = plain
        .send(
            plain
                .request(reqwest::Method::GET, &format!("/api/tasks/{id}"))
                .header("sec-websocket-protocol", format!("bearer.{token}")),
        )
        .await;
    assert_eq!(answer.status, 401);

    // A gateway that stops says that the client should go elsewhere.
    world.gateway.take().unwrap().stop().await;
    assert_eq!(close_code(&mut socket).await, CloseCode::Away);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_requests_are_refused_like_everywhere() {
    let world = World::start_with(|setup| setup.settings.streams_per_user = 1).await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let id = world.submitted(&admin).await;
    let answer = admin.get(&format!("/api/tasks/{id}/ws")).await;
    assert_eq!((answer.status, answer.error()), (400, "bad_request"));
    let with = |client: &crate::support::client::Client, query: &str| {
        let mut request = request(&world, &id, query);
        let value = format!("Bearer {}", client.token.as_ref().unwrap());
        let value = HeaderValue::from_str(&value).unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
        request
    };
    assert_eq!(refused(with(&ada, "")).await, (404, json!("not_found")));
    for query in ["?after=x", "?pace=quick"] {
        let refused = refused(with(&admin, query)).await;
        assert_eq!(refused, (400, json!("invalid_request")), "{query}");
    }
    // WebSocket and server-sent events count together, and a closed socket counts no more.
    let (mut socket, _) = connect(request(&world, &id, ""), admin.token.as_ref().unwrap()).await;
    assert_eq!(
        refused(with(&admin, "")).await,
        (429, json!("too_many_streams"))
    );
    socket.close(None).await.unwrap();
    crate::support::until("the slot to be free", async || {
        tokio_tungstenite::connect_async(with(&admin, ""))
            .await
            .ok()
    })
    .await;
}
