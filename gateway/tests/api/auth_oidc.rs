//! `/auth/oidc`: sign-in with a certified provider that runs beside the test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use codex_gateway::auth::oidc::OidcSettings;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::client::Answer;
use crate::support::oidc::{Browser, PUBLIC, Provider, SECRET, Step};
use crate::support::world::{PASSWORD, World};

pub(crate) const VERIFIER: &str =
    "a secret that only the client has, and never sends to a browser's address";

pub(crate) fn accounts() -> Value {
    json!({
        "ada": { "email": "ada@example.test", "email_verified": true, "groups": ["staff"] },
        "grace": { "email": "grace@example.test", "email_verified": true, "groups": ["staff", "codex-admins"] },
        "mallory": { "email": "admin@example.test", "email_verified": false, "groups": ["staff"] },
        "guest": { "email": "guest@example.test", "email_verified": true, "groups": ["guests"] },
        "nameless": { "groups": ["staff"] },
    })
}

pub(crate) fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        client_secret: Some(SECRET.into()),
        scopes: ["email", "groups"].map(str::to_owned).into(),
        return_to: vec!["codexremote://signed-in".to_owned()],
        ..OidcSettings::new(issuer, "codex", PUBLIC.parse().unwrap())
    }
}

pub(crate) async fn world(provider: &Provider, change: impl FnOnce(&mut OidcSettings)) -> World {
    let mut settings = settings(&provider.issuer);
    change(&mut settings);
    World::start_with(|setup| setup.settings.oidc = Some(settings)).await
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

pub(crate) fn login_path(return_to: &str) -> String {
    let challenge = challenge(VERIFIER);
    format!("/auth/oidc/login?return_to={return_to}&challenge={challenge}")
}

pub(crate) fn browser(world: &World) -> Browser {
    Browser::new(&world.gateway().url)
}

pub(crate) async fn exchange(world: &World, code: &str, verifier: &str) -> Answer {
    let body = json!({ "code": code, "verifier": verifier });
    world.stranger().post("/auth/oidc/exchange", &body).await
}

/// Signs in and answers with who one is then.
async fn sign_in(world: &World, account: &str) -> Value {
    let end = browser(world).sign_in(&login_path("/"), account).await;
    let code = end
        .strip_prefix(&format!("{PUBLIC}/#code="))
        .unwrap_or_else(|| panic!("{end}"));
    let session = exchange(world, code, VERIFIER).await;
    assert_eq!(session.status, 200, "{}", session.body);
    let token = session.body["access_token"].as_str().unwrap();
    let me = world.bearer(token).get("/api/me").await;
    assert_eq!(me.status, 200, "{}", me.body);
    me.body
}

/// What stands in the address at which a sign-in that fails ends.
async fn refusal(world: &World, account: &str) -> String {
    let end = browser(world).sign_in(&login_path("/"), account).await;
    end.strip_prefix(&format!("{PUBLIC}/#error="))
        .unwrap_or_else(|| panic!("{end}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_for_the_first_time_and_again() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    let methods = world.stranger().get("/auth/methods").await.body;
    assert_eq!(methods["oidc"]["name"], "Single sign-on");

    let mut browser = browser(&world);
    let end = browser.sign_in(&login_path("/tasks?x=1"), "ada").await;
    let code = end
        .strip_prefix(&format!("{PUBLIC}/tasks?x=1#code="))
        .unwrap_or_else(|| panic!("{end}"))
        .to_owned();
    // The cookie is out of reach for scripts, other sites and plain http, and gone afterwards.
    let set = &browser.attributes[0];
    for part in [
        "__Host-codex-oidc-",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Path=/",
        "Max-Age=600",
    ] {
        assert!(set.contains(part), "{part} is not in {set}");
    }
    assert!(browser.cookies.keys().all(|(origin, _)| origin != PUBLIC));
    // The request to the provider has everything that protects it.
    let asked = browser
        .visited
        .iter()
        .find(|at| at.contains("response_type=code"))
        .unwrap();
    for part in [
        "code_challenge_method=S256",
        "state=",
        "nonce=",
        "scope=openid",
    ] {
        assert!(asked.contains(part), "{part} is not in {asked}");
    }

    // The code is worth nothing without the secret, and good for one try.
    let stolen = exchange(&world, &code, "another secret").await;
    assert_eq!((stolen.status, stolen.error()), (401, "unauthenticated"));
    assert_eq!(exchange(&world, &code, VERIFIER).await.status, 401);

    let me = sign_in(&world, "ada").await;
    assert_eq!(
        (&me["email"], &me["role"], &me["has_password"]),
        (&json!("ada@example.test"), &json!("user"), &json!(false))
    );
    let again = sign_in(&world, "ada").await;
    assert_eq!(again["id"], me["id"]);
    let id = me["id"].as_str().unwrap();
    assert_eq!(
        world.acts(&format!("user:{id}")).await,
        ["user.provision", "user.link"]
    );
    let logins: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'auth.login_oidc'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(logins, 2);
    // Who has no password cannot log in with one.
    let body = json!({ "email": "ada@example.test", "password": "" });
    assert_eq!(
        world.stranger().post("/auth/login", &body).await.status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_known_by_issuer_and_subject() {
    let provider = Provider::start(0, &accounts(), true).await;
    let world = world(&provider, |_| {}).await;
    let admin = world.admin().await;
    // Somebody whom an administrator has added is linked by the verified address.
    let ada = world.user("ada").await;
    let me = sign_in(&world, "ada").await;
    assert_eq!(me["id"], ada.user_id().await);
    assert_eq!(me["has_password"], true);
    // Afterwards the address may change on either side.
    sqlx::query(
        "UPDATE users SET email = 'countess@example.test' WHERE email = 'ada@example.test'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    assert_eq!(sign_in(&world, "ada").await["id"], me["id"]);

    // An address that the provider has not verified takes nobody over.
    assert_eq!(refusal(&world, "mallory").await, "email_unverified");
    assert_eq!(refusal(&world, "nameless").await, "email_unverified");
    assert_eq!(admin.get("/api/users").await.body["total"], 2);

    // Who is disabled stays out.
    let path = format!("/api/users/{}", me["id"].as_str().unwrap());
    assert_eq!(
        admin
            .patch(&path, &json!({ "disabled": true }))
            .await
            .status,
        200
    );
    assert_eq!(refusal(&world, "ada").await, "disabled");
    // And somebody may be added who has no password.
    let new = json!({ "email": "grace@example.test", "role": "admin" });
    assert_eq!(admin.post("/api/users", &new).await.status, 201);
    assert_eq!(sign_in(&world, "grace").await["role"], "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_decide_who_comes_in_and_as_what() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |settings| {
        settings.allowed_groups = vec!["staff".to_owned()];
        settings.admin_groups = vec!["codex-admins".to_owned()];
    })
    .await;
    assert_eq!(refusal(&world, "guest").await, "not_allowed");
    assert_eq!(sign_in(&world, "ada").await["role"], "user");
    let grace = sign_in(&world, "grace").await;
    assert_eq!(grace["role"], "admin");
    // What the groups say holds at every sign-in, with a row on record.
    let id = grace["id"].as_str().unwrap();
    let admin = world.admin().await;
    let path = format!("/api/users/{id}");
    assert_eq!(
        admin.patch(&path, &json!({ "role": "user" })).await.status,
        200
    );
    assert_eq!(sign_in(&world, "grace").await["role"], "admin");
    let acts = world.acts(&format!("user:{id}")).await;
    assert_eq!(
        acts,
        ["user.provision", "user.link", "user.role", "user.role"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_new_may_join_users_are_added_first() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |settings| settings.may_join = false).await;
    assert_eq!(refusal(&world, "ada").await, "not_allowed");
    let admin = world.admin().await;
    let new = json!({ "email": "ADA@example.test", "password": PASSWORD });
    assert_eq!(admin.post("/api/users", &new).await.status, 201);
    assert_eq!(sign_in(&world, "ada").await["email"], "ADA@example.test");
}

/// Where a sign-in ends that was not begun in this browser: at the first page, whatever page it was begun from.
const LOST: &str = "https://codex.test/#error=lost";

async fn lost(browser: &mut Browser, at: &str) -> String {
    match browser.visit(Method::GET, at, None).await {
        Step::To(address) => address,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_belongs_to_the_browser_that_began_it() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    // Mallory signs in, but sends the last step to somebody else's browser.
    let mut mallory = browser(&world);
    let mut at = mallory.begin(&login_path("/settings/")).await;
    while !at.starts_with(&format!("{PUBLIC}/auth/oidc/callback")) {
        at = match mallory.visit(Method::GET, &at, None).await {
            Step::To(address) => address,
            Step::Form(html) => {
                let form = if html.contains("name=\"login\"") {
                    "prompt=login&login=ada&password=x"
                } else {
                    "prompt=consent"
                };
                match mallory
                    .visit(Method::POST, &at, Some(form.to_owned()))
                    .await
                {
                    Step::To(address) => address,
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        };
    }
    let mut victim = browser(&world);
    assert_eq!(lost(&mut victim, &at).await, LOST);
    // Nor does a sign-in of the victim's own help: the state is another one.
    victim.begin(&login_path("/")).await;
    assert_eq!(lost(&mut victim, &at).await, LOST);

    // A provider that names another issuer in its answer is not the one that was asked.
    let mixed_up = format!(
        "{}&iss=https://evil.example",
        at.split("&iss=").next().unwrap()
    );
    let Step::To(end) = mallory.visit(Method::GET, &mixed_up, None).await else {
        panic!("no redirect")
    };
    assert_eq!(end, format!("{PUBLIC}/settings/#error=refused"));
    // The cookie is used up, also by what failed.
    assert_eq!(lost(&mut mallory, &at).await, LOST);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_answers_that_are_not_the_providers_are_refused() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    let mut browser = browser(&world);
    let state = async |browser: &mut Browser| {
        let at: url::Url = browser.begin(&login_path("/")).await.parse().unwrap();
        let (_, state) = at.query_pairs().find(|(name, _)| name == "state").unwrap();
        state.into_owned()
    };
    for (query, error) in [
        ("code=made-up", "refused"),
        ("error=access_denied", "denied"),
        (
            "error=access_denied%0d%0aset-cookie:%20a=b&code=x",
            "denied",
        ),
        ("x=y", "denied"),
    ] {
        let state = state(&mut browser).await;
        let at = format!("{PUBLIC}/auth/oidc/callback?state={state}&{query}");
        let Step::To(end) = browser.visit(Method::GET, &at, None).await else {
            panic!("no redirect for {query}")
        };
        assert_eq!(end, format!("{PUBLIC}/#error={error}"), "{query}");
    }
    assert!(!browser.cookies.keys().any(|(_, name)| name == "a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_places_are_returned_to() {
    let provider = Provider::start(0, &accounts(), false).await;
    let world = world(&provider, |_| {}).await;
    let end = browser(&world)
        .sign_in(&login_path("codexremote%3A%2F%2Fsigned-in"), "ada")
        .await;
    let code = end.strip_prefix("codexremote://signed-in#code=").unwrap();
    assert_eq!(exchange(&world, code, VERIFIER).await.status, 200);
    for bad in [
        "https%3A%2F%2Fevil.example%2F",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "javascript%3Aalert(1)",
        "codexremote%3A%2F%2Fsigned-in%2Felsewhere",
        "%2Fx%0d%0aset-cookie%3A%20a%3Db",
    ] {
        let answer = world.stranger().get(&login_path(bad)).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, "invalid_request"),
            "{bad}"
        );
    }
    for bad in ["", "short", &"x".repeat(44), &"!".repeat(43)] {
        let answer = world
            .stranger()
            .get(&format!("/auth/oidc/login?challenge={bad}"))
            .await;
        assert_eq!(
            answer.body["error"]["details"]["field"], "challenge",
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_may_be_away_and_may_change_its_key() {
    let provider = Provider::start(0, &accounts(), false).await;
    let port = provider.port();
    let world = world(&provider, |_| {}).await;
    provider.stop().await;
    // The gateway has started without the provider, and says that it is away.
    let end = browser(&world).begin(&login_path("/")).await;
    assert_eq!(end, format!("{PUBLIC}/#error=unavailable"));
    assert_eq!(world.admin().await.get("/api/me").await.status, 200);

    let provider = Provider::start(port, &accounts(), false).await;
    let me = sign_in(&world, "ada").await;
    provider.stop().await;
    // It comes back with a key that the gateway has not seen. It is asked again when what is known is a few seconds old.
    let _provider = Provider::start(port, &accounts(), false).await;
    crate::support::until("the new key to be believed", async || {
        let end = browser(&world).sign_in(&login_path("/"), "ada").await;
        let code = end.strip_prefix(&format!("{PUBLIC}/#code="))?.to_owned();
        assert_eq!(exchange(&world, &code, VERIFIER).await.status, 200);
        Some(())
    })
    .await;
    assert_eq!(sign_in(&world, "ada").await["id"], me["id"]);
}
