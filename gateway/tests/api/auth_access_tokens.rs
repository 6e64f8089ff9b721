//! What an access token has to be like, and the keys that sign it.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use codex_gateway::auth::keys::SETTLE;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::forge::{Token, now};
use crate::support::until;
use crate::support::world::{ADMIN, PASSWORD, World};

fn new_key() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
        .unwrap()
        .serialize_pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_tokens_are_refused() {
    let world = World::start().await;
    let admin = world.admin().await;
    let ada = world.user("ada").await;
    let key = world.setup.key.as_str();
    let good = Token::of(&admin);
    let genuine = admin.token.clone().unwrap();
    let signature = genuine.rsplit_once('.').unwrap().1;
    let keys = world.stranger().get("/.well-known/jwks.json").await.body;
    let x = keys["keys"][0]["x"].as_str().unwrap();
    let public = URL_SAFE_NO_PAD.decode(x).unwrap();
    let public_pem = {
        let pair = rcgen::KeyPair::from_pem(key).unwrap();
        pair.public_key_pem()
    };
    let hmac = |secret: &[u8]| {
        let token = good.clone().header("alg", "HS256");
        token.signed_with(&EncodingKey::from_secret(secret), Algorithm::HS256)
    };
    let strangers_key = new_key();
    let strangers_jwk =
        json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32]) });
    let skew = |seconds: i64| now().saturating_add_signed(seconds);
    let none = |alg: &str| good.clone().header("alg", alg).message();

    let forged = [
        ("no algorithm", format!("{}.", none("none"))),
        ("no algorithm, in capitals", format!("{}.", none("NONE"))),
        (
            "no algorithm, but a signature",
            format!("{}.{signature}", none("none")),
        ),
        ("the public key as a shared secret", hmac(&public)),
        ("the same as PEM", hmac(public_pem.as_bytes())),
        ("the same as it stands in the key set", hmac(x.as_bytes())),
        ("an empty shared secret", hmac(b"")),
        (
            "another algorithm in the header",
            good.clone().header("alg", "RS256").signed(key),
        ),
        ("another key", good.signed(&strangers_key)),
        (
            "no name of a key",
            good.clone().without_header("kid").signed(key),
        ),
        (
            "an unknown key",
            good.clone().header("kid", "0123456789abcdef").signed(key),
        ),
        (
            "a path for a key",
            good.clone().header("kid", "../../../dev/null").signed(key),
        ),
        (
            "a statement for a key",
            good.clone().header("kid", "x' OR '1'='1").signed(key),
        ),
        (
            "a number for a key",
            good.clone().header("kid", 7).signed(key),
        ),
        (
            "a key in the header",
            good.clone()
                .header("jwk", strangers_jwk)
                .signed(&strangers_key),
        ),
        (
            "the address of a key",
            good.clone()
                .header("jku", "http://127.0.0.1:1/keys")
                .signed(&strangers_key),
        ),
        (
            "another audience",
            good.clone().claim("aud", "pod-proxy").signed(key),
        ),
        ("no audience", good.clone().without_claim("aud").signed(key)),
        (
            "another issuer",
            good.clone()
                .claim("iss", "https://evil.example")
                .signed(key),
        ),
        ("no issuer", good.clone().without_claim("iss").signed(key)),
        ("no end", good.clone().without_claim("exp").signed(key)),
        (
            "an end in words",
            good.clone().claim("exp", "never").signed(key),
        ),
        (
            "an end that is past",
            good.clone().claim("exp", skew(-10)).signed(key),
        ),
        (
            "a beginning to come",
            good.clone().claim("nbf", skew(60)).signed(key),
        ),
        (
            "made in the future",
            good.clone().claim("iat", skew(60)).signed(key),
        ),
        ("nobody", good.clone().without_claim("sub").signed(key)),
        (
            "an unknown user",
            good.clone()
                .claim("sub", uuid::Uuid::now_v7().to_string())
                .signed(key),
        ),
        ("no session", good.clone().without_claim("sid").signed(key)),
        ("another epoch", good.clone().claim("epoch", 17).signed(key)),
        ("no signature", format!("{}.", good.message())),
        (
            "half a signature",
            format!("{}.{}", good.message(), &signature[..40]),
        ),
        ("one part more", format!("{genuine}.x")),
        ("one part less", good.message()),
        (
            "the claims of somebody else",
            format!(
                "{}.{signature}",
                Token::of(&ada).claim("role", "admin").message()
            ),
        ),
    ];
    for (what, token) in forged {
        let answer = world.bearer(&token).get("/api/me").await;
        assert_eq!(
            (answer.status, answer.error()),
            (401, "unauthenticated"),
            "{what}"
        );
    }

    // The forge itself is in order: what it should not refuse passes.
    for (what, token) in [
        ("unchanged", good.signed(key)),
        (
            "ended within what clocks may differ",
            good.clone().claim("exp", skew(-2)).signed(key),
        ),
        (
            "a key in the header beside a good signature",
            good.clone().header("jwk", json!({})).signed(key),
        ),
    ] {
        let status = world.bearer(&token).get("/api/me").await.status;
        // The last one may be refused as malformed; it must not be an error of the gateway.
        assert!(
            status == 200 || (what.contains("beside") && status == 401),
            "{what}: {status}"
        );
    }

    // A role in the token is for clients; the gateway asks its database.
    let risen = Token::of(&ada).claim("role", "admin").signed(key);
    assert_eq!(world.bearer(&risen).get("/api/users").await.status, 403);

    // A good token in the wrong place is none.
    let stranger = world.stranger();
    let places = [
        stranger.request(Method::GET, &format!("/api/me?access_token={genuine}")),
        stranger
            .request(Method::GET, "/api/me")
            .header("cookie", format!("access_token={genuine}")),
        stranger
            .request(Method::GET, "/api/me")
            .header("authorization", format!("Basic {genuine}")),
        stranger
            .request(Method::GET, "/api/me")
            .header("authorization", &genuine),
        stranger
            .request(Method::GET, "/api/me")
            .header("sec-websocket-protocol", format!("bearer.{genuine}")),
    ];
    for request in places {
        let what = format!("{request:?}");
        assert_eq!(stranger.send(request).await.status, 401, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_can_be_verified_with_the_published_keys() {
    let world = World::start().await;
    let admin = world.admin().await;
    let answer = world.stranger().get("/.well-known/jwks.json").await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=60");
    let key = &answer.body["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (
            &json!("OKP"),
            &json!("Ed25519"),
            &json!("EdDSA"),
            &json!("sig")
        )
    );
    assert!(key.get("d").is_none(), "the private half stays here");
    let token = admin.token.unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    let key = DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["codex-gateway"]);
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation)
        .unwrap()
        .claims;
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, world.setup.token_lifetime.as_secs());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_without_logging_anybody_out() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_owned();
    let write = |name: &str, age: Duration| {
        // Renamed when it is whole, as a Secret that is mounted changes.
        let (path, draft) = (folder.join(name), folder.join("draft"));
        std::fs::write(&draft, new_key()).unwrap();
        let file = std::fs::File::options().write(true).open(&draft).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        std::fs::rename(draft, path).unwrap();
    };
    write("1.pem", SETTLE * 2);
    let world = World::start_with(|setup| setup.key_dir = Some(dir.path().to_owned())).await;
    let stranger = world.stranger();
    let kids = async || {
        let keys = stranger.get("/.well-known/jwks.json").await.body;
        let keys = keys["keys"].as_array().unwrap().clone();
        let kids = keys
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned());
        kids.collect::<Vec<_>>()
    };
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let login = json!({ "email": ADMIN, "password": PASSWORD });
    let session = stranger.post("/auth/login", &login).await.body;
    let before = world.bearer(session["access_token"].as_str().unwrap());
    let first = kids().await.remove(0);
    assert_eq!(kid(before.token.as_deref().unwrap()), first);

    // A new key is published first, and signs when it has reached every gateway.
    write("2.pem", Duration::ZERO);
    let both = until("the new key to be published", async || {
        Some(kids().await).filter(|kids| kids.len() == 2)
    })
    .await;
    assert_eq!(both[0], first, "the old key signs as yet");
    write("2.pem", SETTLE * 2);
    let second = until("the new key to sign", async || {
        Some(kids().await.remove(0)).filter(|kid| *kid != first)
    })
    .await;
    let after = world.admin().await;
    assert_eq!(kid(after.token.as_deref().unwrap()), second);
    assert_eq!(before.get("/api/me").await.status, 200, "old tokens go on");

    // A mistake in the folder changes nothing.
    std::fs::write(folder.join("3.pem"), "no key").unwrap();
    assert_eq!(after.get("/api/me").await.status, 200);
    std::fs::remove_file(folder.join("3.pem")).unwrap();

    // The old key goes, and with it its tokens; the sessions do not.
    std::fs::remove_file(folder.join("1.pem")).unwrap();
    until("the old key to be gone", async || {
        (kids().await == [second.clone()]).then_some(())
    })
    .await;
    assert_eq!(before.get("/api/me").await.status, 401);
    let refresh = json!({ "refresh_token": session["refresh_token"] });
    let renewed = stranger.post("/auth/refresh", &refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.body);
    let renewed = world.bearer(renewed.body["access_token"].as_str().unwrap());
    assert_eq!(renewed.get("/api/me").await.status, 200);
}
