//! `/api/openapi.json` and `/api/docs`.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use crate::support::world::World;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[test]
fn the_document_in_the_repository_is_up_to_date() {
    let written = include_str!("../../openapi.json");
    assert!(
        written == codex_gateway::http::openapi::text(),
        "gateway/openapi.json is stale: run `make generate`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_method_that_is_served_and_no_other() {
    let world = World::start().await;
    let admin = world.admin().await;
    let document = world.stranger().get("/api/openapi.json").await;
    assert_eq!(document.status, 200);
    assert_eq!(document.headers["content-type"], "application/json");
    let paths = document.body["paths"].as_object().unwrap();
    assert!(paths.len() >= 15, "{}", paths.len());
    for (path, item) in paths {
        let url = path
            .replace("{id}", "0190d9f5-0000-7000-8000-000000000001")
            .replace(['{', '}'], "");
        let mut served = BTreeMap::new();
        for method in METHODS {
            let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = admin.send(admin.request(name, &url)).await;
            served.insert(method, answer.status != 405);
        }
        for method in METHODS {
            assert_eq!(
                item.get(method).is_some(),
                served[method],
                "{method} {path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_told_apart_and_says_how_it_fails() {
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{what}: {id} is there twice");
            assert!(operation["summary"].is_string(), "{what} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key("500") && responses.contains_key("503"),
                "{what}"
            );
            let signed_in = operation["security"].is_array();
            assert_eq!(
                responses.contains_key("401"),
                signed_in || ["login", "refresh", "exchange_code"].contains(&id),
                "{what}"
            );
            if operation["requestBody"].is_object() {
                for status in ["400", "408", "413", "415", "422"] {
                    assert!(responses.contains_key(status), "{what} lacks {status}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_is_a_page_that_needs_nothing_from_elsewhere() {
    let world = World::start().await;
    let page = world.stranger().get("/api/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("style-src 'self'"),
        "{policy}"
    );
    let html = page.body.as_str().unwrap();
    assert!(html.contains("/api/tasks/{id}/stream"), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("<script"));
    let style = world.stranger().get("/api/docs/style.css").await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    // What only begins like it is not there.
    assert_eq!(world.stranger().get("/api/docs/nothing").await.status, 404);
}
