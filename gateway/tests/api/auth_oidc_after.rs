//! `/auth/oidc`: what is left of a sign-in afterwards: the session with the provider, and nothing in the log.

use reqwest::Method;
use serde_json::json;

use crate::auth_oidc::{VERIFIER, accounts, browser, exchange, login_path, settings, world};
use crate::support::client::Client;
use crate::support::oidc::{Browser, PUBLIC, Provider, SECRET, Step};
use crate::support::process::Gateway;
use crate::support::program::Program;
use crate::support::world::{ADMIN, PASSWORD, World};

/// Signs in as ada, and answers with the refresh token.
async fn session_of_ada(world: &World, browser: &mut Browser) -> String {
    let end = browser.sign_in(&login_path("/"), "ada").await;
    let code = end
        .strip_prefix(&format!("{PUBLIC}/#code="))
        .unwrap_or_else(|| panic!("{end}"));
    let session = exchange(world, code, VERIFIER).await.body;
    session["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_goes_on_at_the_provider() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    let mut browser = browser(&world);
    let first = session_of_ada(&world, &mut browser).await;
    // The session is still known to be from there after its token was exchanged.
    let body = json!({ "refresh_token": first });
    let next = world.stranger().post("/auth/refresh", &body).await.body;
    let body = json!({ "refresh_token": next["refresh_token"] });
    let answer = world.stranger().post("/auth/logout", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let address = answer.body["end_session_url"].as_str().unwrap();
    assert!(
        address.starts_with(&format!("{}/session/end?", provider.issuer)),
        "{address}"
    );
    assert!(
        !address.contains("id_token_hint") && !address.contains("ada"),
        "{address}"
    );
    let refreshed = world.stranger().post("/auth/refresh", &body).await;
    assert_eq!(refreshed.status, 401, "it is over here");

    // The provider asks, and comes back to the first page.
    let Step::Form(html) = browser.visit(Method::GET, address, None).await else {
        panic!("no form at {address}");
    };
    let field = |name: &str| {
        let (_, rest) = html
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap();
        rest.split_once('"').unwrap().0
    };
    let form = format!("xsrf={}&logout=yes", field("xsrf"));
    let confirm = format!("{}/session/end/confirm", provider.issuer);
    let end = browser.visit(Method::POST, &confirm, Some(form)).await;
    assert!(
        matches!(&end, Step::To(at) if *at == format!("{PUBLIC}/")),
        "{end:?}"
    );
    // Whoever signs in next with this browser is asked who they are.
    let asked = browser.begin(&login_path("/")).await;
    let login = browser.visit(Method::GET, &asked, None).await;
    assert!(
        matches!(&login, Step::To(at) if at.contains("/interaction/")),
        "{login:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_of_other_sessions_ends_here() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    let mut browser = browser(&world);
    let of_ada = session_of_ada(&world, &mut browser).await;
    let body = json!({ "email": ADMIN, "password": PASSWORD });
    let by_password = world.stranger().post("/auth/login", &body).await.body;
    let by_password = by_password["refresh_token"].as_str().unwrap().to_owned();
    // Another gateway, which was not told where the provider is: it has no end to wait for.
    let mut setup = world.setup.clone();
    provider.stop().await;
    for token in [by_password.as_str(), "unknown"] {
        let body = json!({ "refresh_token": token });
        let answer = world.stranger().post("/auth/logout", &body).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    setup.settings.oidc = None;
    let other = Gateway::start(setup).await;
    let body = json!({ "refresh_token": of_ada });
    let answer = world
        .stranger()
        .at(&other.url)
        .post("/auth/logout", &body)
        .await;
    assert_eq!(answer.status, 204, "{}", answer.body);
}

/// Codes, states and tokens are good for something, if only for a minute: whoever reads the log must not have them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_sign_in_is_in_the_log() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = World::start().await;
    let settings = settings(&provider.issuer);
    let log = tempfile::NamedTempFile::new().unwrap();
    let env = [
        ("RUST_LOG", "debug"),
        ("CODEX_PUBLIC_URL", PUBLIC),
        ("CODEX_OIDC_ISSUER", &settings.issuer),
        ("CODEX_OIDC_CLIENT_ID", &settings.client_id),
        ("CODEX_OIDC_CLIENT_SECRET", SECRET),
        ("CODEX_OIDC_SCOPES", "email,groups"),
    ];
    let program = Program::start_logged(&world, &env, log.reopen().unwrap()).await;
    let mut browser = Browser::new(&program.url);
    let end = browser.sign_in(&login_path("/"), "ada").await;
    let code = end
        .strip_prefix(&format!("{PUBLIC}/#code="))
        .unwrap_or_else(|| panic!("{end}"));
    let client = Client::new(&program.url, None);
    let wrong = json!({ "code": "a-wrong-code-of-this-test", "verifier": VERIFIER });
    assert_eq!(client.post("/auth/oidc/exchange", &wrong).await.status, 401);
    let body = json!({ "code": code, "verifier": VERIFIER });
    let session = client.post("/auth/oidc/exchange", &body).await.body;
    let first = session["refresh_token"].as_str().unwrap();
    let next = client
        .post("/auth/refresh", &json!({ "refresh_token": first }))
        .await
        .body;
    let second = next["refresh_token"].as_str().unwrap();
    let body = json!({ "refresh_token": second });
    assert_eq!(client.post("/auth/logout", &body).await.status, 200);

    let mut secrets = vec![
        SECRET,
        VERIFIER,
        "a-wrong-code-of-this-test",
        code,
        first,
        second,
    ];
    secrets.push(session["access_token"].as_str().unwrap());
    // The code of the provider and the state, as they stood in the address of the way back.
    let callback = browser
        .visited
        .iter()
        .find(|at| at.contains("/auth/oidc/callback?"))
        .unwrap();
    let (_, query) = callback.split_once('?').unwrap();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap();
        if ["code", "state"].contains(&name) {
            secrets.push(value);
        }
    }
    assert_eq!(secrets.len(), 9, "{callback}");
    let told = std::fs::read_to_string(log.path()).unwrap();
    for path in ["/auth/oidc/callback", "/auth/oidc/exchange", "/auth/logout"] {
        assert!(told.contains(path), "{path} is not in the log: {told}");
    }
    for secret in secrets {
        assert!(!told.contains(secret), "{secret} is in the log");
    }
}
