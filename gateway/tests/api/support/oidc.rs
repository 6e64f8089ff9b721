//! A certified OpenID Connect provider in a process of its own, and a browser that signs in there.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::DEADLINE;

/// Where browsers think that the gateway is. It listens elsewhere, and the test's browser knows where.
pub const PUBLIC: &str = "https://codex.test";
/// What the gateway proves itself with.
pub const SECRET: &str = "the secret of the client";

/// A provider that runs until it is dropped.
pub struct Provider {
    pub issuer: String,
    child: Child,
    /// It goes on to talk, and would end if nobody listened.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    /// Starts one with these accounts. Port 0 takes a free one.
    pub async fn start(port: u16, accounts: &Value, in_id_token: bool) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc");
        assert!(
            folder.join("node_modules").exists(),
            "these tests need an OpenID Connect provider: run `make test-tools`"
        );
        let options = json!({
            "port": port,
            "clientSecret": SECRET,
            "redirectUri": format!("{PUBLIC}/auth/oidc/callback"),
            "accounts": accounts,
            "inIdToken": in_id_token,
        });
        let mut child = Command::new("node")
            .arg(folder.join("provider.mjs"))
            .arg(options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(DEADLINE, async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .unwrap()
                    .expect("the provider starts");
                // It warns about what must not be done in production.
                if let Ok(ready) = serde_json::from_str::<Value>(&line) {
                    break ready;
                }
            }
        });
        let ready = ready.await.expect("the provider starts in time");
        Self {
            issuer: ready["issuer"].as_str().unwrap().to_owned(),
            child,
            _output: lines,
        }
    }

    /// Ends it, and waits until its port is free.
    pub async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }

    pub fn port(&self) -> u16 {
        self.issuer.rsplit_once(':').unwrap().1.parse().unwrap()
    }
}

/// A browser: it keeps cookies and follows redirects.
pub struct Browser {
    http: reqwest::Client,
    gateway: String,
    /// By origin and name.
    pub cookies: BTreeMap<(String, String), String>,
    /// The attributes of the cookies that were set.
    pub attributes: Vec<String>,
    /// Every address that was visited.
    pub visited: Vec<String>,
}

impl Browser {
    pub fn new(gateway: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            http,
            gateway: gateway.to_owned(),
            cookies: BTreeMap::new(),
            attributes: Vec::new(),
            visited: Vec::new(),
        }
    }

    /// Opens a page of the gateway, signs in as this account where it is asked to, and answers with the address at which the way ends.
    pub async fn sign_in(&mut self, path: &str, account: &str) -> String {
        let mut at = format!("{PUBLIC}{path}");
        for _ in 0..20 {
            match self.visit(Method::GET, &at, None).await {
                Step::To(address) if is_end(&address) => return address,
                Step::To(address) => at = address,
                Step::Form(html) => {
                    let form = if html.contains("name=\"login\"") {
                        format!("prompt=login&login={account}&password=x")
                    } else {
                        "prompt=consent".to_owned()
                    };
                    match self.visit(Method::POST, &at, Some(form)).await {
                        Step::To(address) => at = address,
                        other => panic!("{other:?}"),
                    }
                }
                Step::Refused(status, text) => return format!("{status} {text}"),
            }
        }
        panic!("the way does not end: {:?}", self.visited);
    }

    /// The first step only: where the gateway leads to.
    pub async fn begin(&mut self, path: &str) -> String {
        match self
            .visit(Method::GET, &format!("{PUBLIC}{path}"), None)
            .await
        {
            Step::To(address) => address,
            other => panic!("{other:?}"),
        }
    }

    /// One step from any address.
    pub async fn visit(&mut self, method: Method, address: &str, form: Option<String>) -> Step {
        self.visited.push(address.to_owned());
        let url: url::Url = address.parse().unwrap();
        let origin = url.origin().ascii_serialization();
        let target = address.replacen(PUBLIC, &self.gateway, 1);
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .filter(|((from, _), _)| *from == origin)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        let mut request = self.http.request(method, target);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(form) = form {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form);
        }
        let response = tokio::time::timeout(DEADLINE, request.send())
            .await
            .expect("an answer in time")
            .unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            let key = (origin.clone(), name.to_owned());
            if attributes.contains("Max-Age=0") || value.is_empty() {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
            if origin == PUBLIC {
                self.attributes.push(format!("{name};{attributes}"));
            }
        }
        let status = response.status();
        if let Some(location) = response.headers().get("location") {
            let location = location.to_str().unwrap();
            return Step::To(
                url.join(location)
                    .map_or_else(|_| location.to_owned(), String::from),
            );
        }
        let text = response.text().await.unwrap();
        if status.is_success() {
            Step::Form(text)
        } else {
            Step::Refused(status.as_u16(), text)
        }
    }
}

/// Whether the browser is back at the client.
fn is_end(address: &str) -> bool {
    let is_public = address.starts_with(PUBLIC);
    (is_public && !address.starts_with(&format!("{PUBLIC}/auth/"))) || !address.starts_with("http")
}

/// Where a visit leads.
#[derive(Debug)]
pub enum Step {
    To(String),
    Form(String),
    Refused(u16, String),
}
