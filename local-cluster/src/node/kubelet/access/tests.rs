use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::Response as HttpResponse;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use tower::{ServiceExt as _, service_fn};

use super::*;

/// Reviews that an API server was asked for.
type Asked = Arc<Mutex<Vec<Value>>>;

/// An API server that knows the token `good` as `alice`, and lets `alice` and members of `readers` read the logs of the node `n`.
fn reviewer(asked: &Asked) -> Client {
    let asked = Arc::clone(asked);
    let service = service_fn(move |request: http::Request<kube::client::Body>| {
        let asked = Arc::clone(&asked);
        async move {
            let bytes = request.into_body().collect_bytes().await.unwrap();
            let mut review: Value = serde_json::from_slice(&bytes).unwrap();
            asked.lock().unwrap().push(review.clone());
            review["status"] = match review["spec"]["token"].as_str() {
                Some("good") => {
                    json!({"authenticated": true, "user": {"username": "alice", "groups": ["g"]}})
                }
                Some("other") => json!({"authenticated": true, "user": {"username": "bob"}}),
                Some(_) => json!({"authenticated": false}),
                None => {
                    let spec = &review["spec"];
                    let wanted = json!({"verb": "get", "version": "v1", "resource": "nodes", "subresource": "proxy", "name": "n"});
                    let known = spec["user"] == "alice"
                        || spec["groups"]
                            .as_array()
                            .is_some_and(|groups| groups.contains(&json!("readers")));
                    json!({"allowed": known && spec["resourceAttributes"] == wanted})
                }
            };
            Ok::<_, Infallible>(HttpResponse::new(Body::from(review.to_string())))
        }
    });
    Client::new(service, "default")
}

async fn ask(
    access: &Arc<Access>,
    token: Option<&str>,
    certificate: Option<CertificateDer<'static>>,
) -> (StatusCode, String) {
    let router = Router::new().route("/", get(async || "a log"));
    let router = super::super::guarded(router, Arc::clone(access));
    let mut request = http::Request::get("/");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let mut request = request.body(Body::empty()).unwrap();
    request
        .extensions_mut()
        .insert(ClientCertificate(certificate));
    let answer = router.oneshot(request).await.unwrap();
    let code = answer.status();
    let text = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (code, String::from_utf8(text.to_vec()).unwrap())
}

fn certificate(name: Option<&str>, organization: &str) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .clone()
}

#[tokio::test]
async fn nobody_and_strangers_get_nothing() {
    let asked = Asked::default();
    let access = Arc::new(Access::new(reviewer(&asked), "n"));
    assert_eq!(ask(&access, None, None).await.0, StatusCode::UNAUTHORIZED);
    assert!(asked.lock().unwrap().is_empty(), "there was nothing to ask");
    assert_eq!(
        ask(&access, Some("bad"), None).await.0,
        StatusCode::UNAUTHORIZED
    );
    let (code, text) = ask(&access, Some("other"), None).await;
    assert_eq!(code, StatusCode::FORBIDDEN);
    assert!(text.contains("bob") && !text.contains("other"), "{text}");
    // A certificate of the authority is an identity, not a permission.
    let stranger = certificate(Some("carol"), "nobodies");
    assert_eq!(
        ask(&access, None, Some(stranger)).await.0,
        StatusCode::FORBIDDEN
    );
    let nameless = certificate(None, "readers");
    assert_eq!(
        ask(&access, None, Some(nameless)).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_permission_is_asked_for_once_and_a_refusal_each_time() {
    let asked = Asked::default();
    let access = Arc::new(Access::new(reviewer(&asked), "n"));
    let count = || asked.lock().unwrap().len();
    for _ in 0..3 {
        assert_eq!(
            ask(&access, Some("good"), None).await,
            (StatusCode::OK, "a log".to_owned())
        );
    }
    assert_eq!(count(), 2, "who, and whether they may");
    let server = certificate(Some("kube-apiserver"), "readers");
    for _ in 0..3 {
        assert_eq!(
            ask(&access, None, Some(server.clone())).await.0,
            StatusCode::OK
        );
    }
    assert_eq!(count(), 3, "whether they may");
    for _ in 0..2 {
        assert_eq!(
            ask(&access, Some("other"), None).await.0,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(count(), 7);
}

#[tokio::test]
async fn a_permission_is_for_one_node() {
    let asked = Asked::default();
    let access = Arc::new(Access::new(reviewer(&asked), "another"));
    assert_eq!(
        ask(&access, Some("good"), None).await.0,
        StatusCode::FORBIDDEN
    );
}

#[test]
fn a_certificate_names_its_user_and_groups() {
    let caller = subject(&certificate(Some("kube-apiserver"), "system:masters")).unwrap();
    assert_eq!(caller.name, "kube-apiserver");
    assert_eq!(caller.groups, ["system:masters", "system:authenticated"]);
    assert_eq!(subject(&CertificateDer::from(vec![1, 2, 3])), None);
}
