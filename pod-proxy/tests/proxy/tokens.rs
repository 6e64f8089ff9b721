//! Who may use the proxy.

use crate::support::{
    Proxy, REAL_KEY, claims, client, eventually, refusal, sign, upstream::Upstream,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

/// The answer to a request with this `Authorization` header.
async fn ask(proxy: &Proxy, authorization: Option<&str>) -> reqwest::Response {
    let mut request = client()
        .post(format!("http://{}/v1/responses", proxy.address))
        .header("x-behaviour", "ok")
        .body("{}");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.send().await.unwrap()
}

#[track_caller]
fn assert_refused(name: &str, (status, code, message): &(u16, String, String), word: &str) {
    assert_eq!(
        (*status, code.as_str()),
        (401, "unauthorized"),
        "{name}: {message}"
    );
    assert!(message.contains(word), "{name}: {message}");
}

#[tokio::test]
async fn a_good_token_is_let_in_and_replaced_by_the_key() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let token = proxy.token("task-1");
    assert_eq!(
        ask(&proxy, Some(&format!("Bearer {token}"))).await.status(),
        200
    );
    let headers = upstream.last().headers;
    assert_eq!(headers["authorization"], format!("Bearer {REAL_KEY}"));
    assert!(
        headers
            .values()
            .all(|value| !value.to_str().unwrap().contains(&token))
    );
}

#[tokio::test]
async fn other_tokens_are_refused() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let good = claims("task-1");
    let with = |change: fn(&mut codex_pod_proxy::token::TaskClaims)| {
        let mut claims = good.clone();
        change(&mut claims);
        proxy.sign(&claims)
    };
    let public_key = proxy.signing_key.public_key_pem();
    let hmac = |secret: &[u8]| {
        jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &good,
            &EncodingKey::from_secret(secret),
        )
        .unwrap()
    };
    let unsigned = |algorithm: &str| {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        format!(
            "{}.{}.",
            base64url(&header),
            base64url(&serde_json::to_value(&good).unwrap())
        )
    };
    let good_token = proxy.sign(&good);
    let forged = {
        let mut parts: Vec<_> = good_token.split('.').map(str::to_owned).collect();
        parts[1] = base64url(&serde_json::to_value(claims("task-2")).unwrap());
        parts.join(".")
    };
    let key_of_somebody_else = KeyPair::generate_for(&PKCS_ED25519).unwrap();

    let cases = [
        ("expired", with(|claims| claims.exp -= 120), "expired"),
        (
            "other audience",
            with(|claims| claims.aud = "gateway".to_owned()),
            "not issued for",
        ),
        (
            "other issuer",
            with(|claims| claims.iss = "somebody".to_owned()),
            "not valid",
        ),
        (
            "no task",
            with(|claims| claims.sub = String::new()),
            "not valid",
        ),
        (
            "odd task",
            with(|claims| claims.sub = "a\nb".to_owned()),
            "not valid",
        ),
        ("other key", sign(&good, &key_of_somebody_else), "not valid"),
        (
            "HS256 with the public key",
            hmac(public_key.as_bytes()),
            "not valid",
        ),
        (
            "HS256 with the raw public key",
            hmac(proxy.signing_key.public_key_raw()),
            "not valid",
        ),
        ("alg none", unsigned("none"), "not valid"),
        (
            "alg EdDSA without a signature",
            unsigned("EdDSA"),
            "not valid",
        ),
        ("changed claims", forged, "not valid"),
        ("not a token", "abc".to_owned(), "not valid"),
        ("empty", String::new(), "token"),
    ];
    for (name, token, word) in cases {
        let response = ask(&proxy, Some(&format!("Bearer {token}"))).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_refused(name, &refusal(response).await, word);
    }
    assert_refused(
        "nothing",
        &refusal(ask(&proxy, None).await).await,
        "Authorization: Bearer",
    );
    let basic = ask(&proxy, Some("Basic YTpi")).await;
    assert_refused("basic", &refusal(basic).await, "Authorization: Bearer");
    assert_eq!(
        upstream.count(),
        0,
        "nothing of this may reach the model API"
    );
    let expected = "codex_pod_proxy_requests_total{outcome=\"unauthorized\"} 15";
    assert!(proxy.metrics().await.contains(expected));
}

#[tokio::test]
async fn the_end_has_a_small_leeway() {
    let (address, _upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let mut claims = claims("task-1");
    claims.exp = claims.iat - 2;
    assert_eq!(
        ask(&proxy, Some(&format!("Bearer {}", proxy.sign(&claims))))
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn keys_are_read_again_and_may_overlap() {
    let (address, upstream) = Upstream::start().await;
    let proxy = Proxy::start(address).await;
    let next = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let both = format!(
        "{}{}",
        next.public_key_pem(),
        proxy.signing_key.public_key_pem()
    );
    std::fs::write(proxy.file("public.pem"), both).unwrap();
    std::fs::write(proxy.file("key"), "sk-changed").unwrap();

    let new_token = format!("Bearer {}", sign(&claims("task-2"), &next));
    let old_token = format!("Bearer {}", proxy.token("task-1"));
    eventually("the new token key is known", async || {
        ask(&proxy, Some(&new_token)).await.status() == 200
    })
    .await;
    assert_eq!(ask(&proxy, Some(&old_token)).await.status(), 200);
    eventually("the new API key is used", async || {
        ask(&proxy, Some(&old_token)).await;
        upstream.last().headers["authorization"] == "Bearer sk-changed"
    })
    .await;

    // A file that makes no sense changes nothing. The other file, changed after it, shows that it has been looked at.
    std::fs::write(proxy.file("key"), "two\nlines").unwrap();
    std::fs::write(proxy.file("public.pem"), next.public_key_pem()).unwrap();
    eventually("the old token key is gone", async || {
        ask(&proxy, Some(&old_token)).await.status() == 401
    })
    .await;
    assert_eq!(ask(&proxy, Some(&new_token)).await.status(), 200);
    assert_eq!(
        upstream.last().headers["authorization"],
        "Bearer sk-changed"
    );
}

fn base64url(value: &Value) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextet = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    let text = value.to_string();
    let encode = |chunk: &[u8]| {
        let bits = chunk.iter().enumerate().fold(0, |bits, (at, byte)| {
            bits | u32::from(*byte) << (16 - 8 * at)
        });
        (0..=chunk.len())
            .map(move |at| sextet(bits >> (18 - 6 * at)))
            .collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}
