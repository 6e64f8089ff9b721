//! Which provider, and what its groups mean.

use secrecy::SecretString;
use url::Url;

/// Which provider, and what its groups mean.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// What the button says.
    pub name: String,
    /// The address of the provider, as it stands in its tokens.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What proves it; public clients have PKCE only.
    pub client_secret: Option<SecretString>,
    /// The address at which browsers reach the gateway.
    pub public_url: Url,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that lists the groups; dots lead into objects.
    pub groups_claim: String,
    /// Who is in one of these groups is administrator, and nobody else of that provider. Without any, roles are given here.
    pub admin_groups: Vec<String>,
    /// Who is in none of these groups is refused. Without any, everybody of that provider may sign in.
    pub allowed_groups: Vec<String>,
    /// Whether somebody who is not a user yet becomes one.
    pub may_join: bool,
    /// Addresses outside the gateway that a sign-in may return to, each in full: other web clients, and apps.
    pub return_to: Vec<String>,
}

impl OidcSettings {
    /// Settings with which everybody of the provider may sign in as a user.
    #[must_use]
    pub fn new(issuer: &str, client_id: &str, public_url: Url) -> Self {
        Self {
            name: "Single sign-on".to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: None,
            public_url,
            scopes: ["email", "profile"].map(str::to_owned).into(),
            groups_claim: "groups".to_owned(),
            admin_groups: Vec::new(),
            allowed_groups: Vec::new(),
            may_join: true,
            return_to: Vec::new(),
        }
    }

    /// Whether an address is one that secrets may be sent to: encrypted, or on this machine.
    #[must_use]
    pub fn is_safe(url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && is_local(url))
    }
}

/// Whether an address is one of this machine.
#[must_use]
pub fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
