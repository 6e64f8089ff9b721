//! The conversation with the provider.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _, UserInfoClaims,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::http_client::HttpClient;
use super::return_to;
use super::settings::OidcSettings;
use super::{Pending, Vouched};
use crate::database::users::Role;
use crate::error::Error;

/// How long the provider's own description and keys are believed.
const BELIEVED: Duration = Duration::from_secs(60 * 60);
/// How soon they are asked for again when a signature is by a key that is not among them.
const ASKED_AGAIN: Duration = Duration::from_secs(10);

/// How long a sign-out waits for the provider: it is over here already.
const PATIENCE: Duration = Duration::from_secs(3);

/// Another provider of sign-ins.
pub struct Provider {
    settings: OidcSettings,
    issuer: IssuerUrl,
    callback: RedirectUrl,
    http: HttpClient,
    known: Mutex<Option<Known>>,
}

/// What the provider says about itself.
#[derive(Clone)]
struct Known {
    metadata: Arc<ProviderMetadataWithLogout>,
    since: Instant,
}

/// Why a sign-in fails.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be reached, or does not answer as one.
    #[error("the provider does not answer as it should: {0}")]
    Away(String),
    /// The provider's answer is not to be believed.
    #[error("the provider's answer is refused: {0}")]
    Refused(String),
    /// The user is in none of the groups that may sign in.
    #[error("the user is in none of the groups that may sign in")]
    NotAllowed,
}

/// All that a token says beside the standard claims.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Extra {
    #[serde(flatten)]
    claims: HashMap<String, Value>,
}

impl AdditionalClaims for Extra {}

type Fields = IdTokenFields<
    Extra,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Client = openidconnect::Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Provider {
    /// Nothing is asked of the provider before the first sign-in, so that the gateway starts without it.
    ///
    /// # Errors
    /// [`Error::Oidc`] when the addresses or the root certificates cannot be used.
    pub fn new(settings: OidcSettings) -> Result<Self, Error> {
        let callback = settings
            .public_url
            .join("/auth/oidc/callback")
            .map_err(|error| Error::Oidc(error.to_string()))?;
        let issuer = IssuerUrl::new(settings.issuer.clone())
            .map_err(|error| Error::Oidc(format!("the issuer is no address: {error}")))?;
        Ok(Self {
            http: HttpClient::new(issuer.url()).map_err(|error| Error::Oidc(error.to_string()))?,
            issuer,
            callback: RedirectUrl::from_url(callback),
            known: Mutex::new(None),
            settings,
        })
    }

    /// What the button says.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The issuer, as it stands in its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Whether somebody who is not a user yet becomes one.
    #[must_use]
    pub const fn may_join(&self) -> bool {
        self.settings.may_join
    }

    /// Whether browsers reach the gateway by https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.settings.public_url.scheme() == "https"
    }

    /// The full address for what a client asked to return to; nothing when it is not one of those that may be.
    #[must_use]
    pub fn resolve_return(&self, asked: &str) -> Option<String> {
        return_to::resolve(asked, &self.settings.public_url, &self.settings.return_to)
    }

    /// Where to send the browser, and what to remember of it.
    ///
    /// # Errors
    /// [`OidcError::Away`].
    pub async fn begin(
        &self,
        challenge: String,
        return_to: String,
    ) -> Result<(Url, Pending), OidcError> {
        let metadata = self.metadata(BELIEVED).await?;
        let client = self.client(&metadata);
        let (code_challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(code_challenge);
        for scope in &self.settings.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.url();
        let pending = Pending {
            state,
            nonce,
            verifier,
            challenge,
            return_to,
        };
        Ok((url, pending))
    }

    /// Exchanges the provider's code, and answers who it vouches for.
    ///
    /// # Errors
    /// [`OidcError`] says what is wrong.
    pub async fn finish(
        &self,
        code: String,
        nonce: &Nonce,
        verifier: PkceCodeVerifier,
    ) -> Result<Vouched, OidcError> {
        let metadata = self.metadata(BELIEVED).await?;
        let client = self.client(&metadata);
        let response = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| OidcError::Away(error.to_string()))?
            .set_pkce_verifier(verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(_) => {
                    OidcError::Refused(with_causes(&error))
                }
                error => OidcError::Away(with_causes(&error)),
            })?;
        let id_token = response
            .id_token()
            .ok_or_else(|| OidcError::Refused("there is no ID token in it".to_owned()))?;
        let verified = match id_token.claims(&client.id_token_verifier(), nonce) {
            // The provider may have a new key.
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let metadata = self.metadata(ASKED_AGAIN).await?;
                let client = self.client(&metadata);
                id_token.claims(&client.id_token_verifier(), nonce)
            }
            verified => verified,
        };
        let claims = verified.map_err(|error| OidcError::Refused(with_causes(&error)))?;

        let mut email = claims.email().map(|email| email.to_string());
        let mut is_verified = claims.email_verified().unwrap_or(false);
        let mut groups = self.groups(claims.additional_claims());
        // Many providers keep the ID token small, and tell the rest on request.
        if (email.is_none() || (groups.is_none() && self.groups_matter()))
            && let Ok(request) = client.user_info(
                response.access_token().clone(),
                Some(claims.subject().clone()),
            )
        {
            let info: UserInfoClaims<Extra, CoreGenderClaim> = request
                .request_async(&self.http)
                .await
                .map_err(|error| OidcError::Away(with_causes(&error)))?;
            if email.is_none() {
                email = info.email().map(|email| email.to_string());
                is_verified = info.email_verified().unwrap_or(false);
            }
            groups = groups.or_else(|| self.groups(info.additional_claims()));
        }
        let groups = groups.unwrap_or_default();
        let is_in = |listed: &[String]| groups.iter().any(|group| listed.contains(group));
        if !self.settings.allowed_groups.is_empty() && !is_in(&self.settings.allowed_groups) {
            return Err(OidcError::NotAllowed);
        }
        let role = (!self.settings.admin_groups.is_empty()).then(|| {
            if is_in(&self.settings.admin_groups) {
                Role::Admin
            } else {
                Role::User
            }
        });
        Ok(Vouched {
            subject: claims.subject().to_string(),
            verified_email: email.filter(|_| is_verified),
            role,
        })
    }

    /// Where a browser ends its session with the provider too, and comes back from to the first page; nothing when the provider has no such
    /// place, or cannot be asked now.
    ///
    /// The provider is told who asks (`client_id`) and not for whom: the ID token that could say so would stand in an address. So some
    /// providers ask the person whether they mean it.
    pub async fn end_session_url(&self) -> Option<Url> {
        let metadata = match tokio::time::timeout(PATIENCE, self.metadata(BELIEVED)).await {
            Ok(Ok(metadata)) => metadata,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a sign-out ends here and not at the identity provider");
                return None;
            }
            Err(_) => {
                tracing::warn!("the identity provider does not say in time where to sign out");
                return None;
            }
        };
        let endpoint = metadata
            .additional_metadata()
            .end_session_endpoint
            .clone()
            .filter(|endpoint| OidcSettings::is_safe(endpoint.url()))?;
        let back = PostLogoutRedirectUrl::from_url(self.settings.public_url.clone());
        let request = LogoutRequest::from(endpoint)
            .set_client_id(ClientId::new(self.settings.client_id.clone()))
            .set_post_logout_redirect_uri(back);
        Some(request.http_get_url())
    }

    fn groups_matter(&self) -> bool {
        !self.settings.admin_groups.is_empty() || !self.settings.allowed_groups.is_empty()
    }

    fn groups(&self, extra: &Extra) -> Option<Vec<String>> {
        groups(&extra.claims, &self.settings.groups_claim)
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> Client {
        let secret = self.settings.client_secret.as_ref();
        Client::from_provider_metadata(
            metadata.clone(),
            ClientId::new(self.settings.client_id.clone()),
            secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned())),
        )
        .set_redirect_uri(self.callback.clone())
    }

    /// What the provider says about itself, no older than this where it answers.
    async fn metadata(
        &self,
        oldest: Duration,
    ) -> Result<Arc<ProviderMetadataWithLogout>, OidcError> {
        // Whoever comes while somebody asks waits for the same answer.
        let mut known = self.known.lock().await;
        if let Some(known) = known
            .as_ref()
            .filter(|known| known.since.elapsed() < oldest)
        {
            return Ok(Arc::clone(&known.metadata));
        }
        match ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &self.http).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Some(Known {
                    metadata: Arc::clone(&metadata),
                    since: Instant::now(),
                });
                Ok(metadata)
            }
            Err(error) => {
                let error = OidcError::Away(with_causes(&error));
                let Some(known) = known.as_ref() else {
                    return Err(error);
                };
                tracing::warn!(%error, "what the identity provider said before goes on");
                Ok(Arc::clone(&known.metadata))
            }
        }
    }
}

/// The groups in a claim of this name, or at the end of this path of names.
fn groups(claims: &HashMap<String, Value>, name: &str) -> Option<Vec<String>> {
    let value = claims.get(name).or_else(|| {
        let mut names = name.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    })?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) => Some(values.iter().filter_map(text).collect()),
        value => text(value).map(|group| vec![group]),
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_are_found_under_their_name_or_path() {
        let claims: HashMap<String, Value> = serde_json::from_value(json!({
            "groups": ["a", 7, "b"],
            "role": "c",
            "realm_access": { "roles": ["d"] },
            "https://example.com/groups": ["e"],
        }))
        .unwrap();
        let groups = |name| groups(&claims, name);
        assert_eq!(groups("groups").unwrap(), ["a", "b"]);
        assert_eq!(groups("role").unwrap(), ["c"]);
        assert_eq!(groups("realm_access.roles").unwrap(), ["d"]);
        assert_eq!(groups("https://example.com/groups").unwrap(), ["e"]);
        assert_eq!(groups("nothing"), None);
        assert_eq!(groups("groups.x"), None);
    }
}
