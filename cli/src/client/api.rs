//! The HTTP API of the gateway.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::{
    ClientError,
    credentials::{Credentials, bearer},
    http::{ANSWER_TIMEOUT, http_client, join, read_json, refuse_errors, send},
    refresh::refreshed,
};

/// A connection to a gateway on behalf of a user.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    credentials: Arc<Mutex<Credentials>>,
}

/// A new task.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewTask {
    /// What Codex is to do.
    pub prompt: String,
    /// Where, below a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment variables for the task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The longest time that it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// The answer to a new task.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Accepted {
    /// The task's id.
    pub task_id: String,
    /// Its state.
    pub status: String,
}

/// The answer to a login.
#[derive(Deserialize)]
pub struct Tokens {
    /// The token for requests.
    pub access_token: String,
    /// The token for a new one.
    pub refresh_token: Option<String>,
}

/// Which events of a stream are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Codex events as such, and lines.
    Items,
    /// Lines only, as they were written.
    Raw,
}

impl Client {
    /// A client for these credentials.
    ///
    /// # Errors
    /// When there are no root certificates for an https address.
    pub fn new(credentials: Credentials) -> Result<Self, ClientError> {
        Ok(Self {
            http: http_client(&credentials.url)?,
            url: credentials.url.clone(),
            credentials: Arc::new(Mutex::new(credentials)),
        })
    }

    /// Exchanges email and password for tokens.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn login(url: &Url, email: &str, password: &str) -> Result<Tokens, ClientError> {
        let body = serde_json::json!({"email": email, "password": password});
        let request = http_client(url)?
            .post(join(url, "auth/login"))
            .timeout(ANSWER_TIMEOUT)
            .json(&body);
        // A 401 here is about the password, not about an earlier login.
        read_json(url, refuse_errors(url, send(url, request).await?).await?).await
    }

    /// Creates a task. The key makes it safe to ask again: the gateway answers with the same task.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn create_task(
        &self,
        task: &NewTask,
        idempotency_key: &str,
    ) -> Result<Accepted, ClientError> {
        let request = self
            .request(Method::POST, "api/tasks")
            .header("idempotency-key", idempotency_key)
            .json(task);
        self.json(request).await
    }

    /// Reads one task.
    ///
    /// # Errors
    /// When the gateway cannot be reached or does not know the task.
    pub async fn task(&self, id: &str) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, &task_path(id))).await
    }

    /// Reads the latest tasks, as the gateway gives them.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn tasks(&self, status: Option<&str>, limit: u32) -> Result<Value, ClientError> {
        let limit = limit.to_string();
        let query = [("limit", Some(limit.as_str())), ("status", status)];
        let request = self.request_with(Method::GET, "api/tasks", &query);
        self.json(request).await
    }

    /// Asks for the end of a task.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn cancel_task(&self, id: &str) -> Result<(), ClientError> {
        self.checked(
            self.request(Method::DELETE, &task_path(id))
                .timeout(ANSWER_TIMEOUT),
        )
        .await
        .map(drop)
    }

    /// Reads what `cwd` may be, as the gateway gives it.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn repositories(&self) -> Result<Value, ClientError> {
        self.json(self.request(Method::GET, "api/repositories"))
            .await
    }

    /// Opens the events of a task after this number.
    ///
    /// # Errors
    /// When the gateway cannot be reached or refuses.
    pub async fn stream(&self, id: &str, after: u64, view: View) -> Result<Response, ClientError> {
        let path = format!("{}/stream", task_path(id));
        let view = (view == View::Raw).then_some("raw");
        let mut request = self
            .request_with(Method::GET, &path, &[("view", view)])
            .header(header::ACCEPT, "text/event-stream");
        if after > 0 {
            request = request.header("last-event-id", after);
        }
        // No timeout for the whole of a stream; its silence is watched where it is read.
        self.checked(request).await
    }

    /// The gateway's address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_with(method, path, &[])
    }

    /// A request with those parameters that have a value.
    fn request_with(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> RequestBuilder {
        let mut url = join(&self.url, path);
        for (name, value) in query {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        self.http.request(method, url)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        read_json(
            self.url(),
            self.checked(request.timeout(ANSWER_TIMEOUT)).await?,
        )
        .await
    }

    /// Sends a request with the token; when that has ended and can be renewed, once more with a new one.
    async fn checked(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let again = request.try_clone();
        let token = self.credentials.lock().await.token.clone();
        let response = self.attempt(request, &token).await?;
        let Some(again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return self.accepted(response).await;
        };
        let renewed = {
            // Held while the token is renewed, so that requests at the same time wait for the one new token.
            let mut credentials = self.credentials.lock().await;
            let renewed = refreshed(&self.http, &credentials, &token).await?;
            if let Some(token) = &renewed {
                credentials.token = token.clone();
            }
            renewed
        };
        match renewed {
            Some(token) => self.accepted(self.attempt(again, &token).await?).await,
            None => self.accepted(response).await,
        }
    }

    async fn attempt(
        &self,
        request: RequestBuilder,
        token: &SecretString,
    ) -> Result<Response, ClientError> {
        send(
            &self.url,
            request.header(header::AUTHORIZATION, bearer(token)),
        )
        .await
    }

    /// Turns an answer that says that nobody is logged in into what to do about it.
    async fn accepted(&self, response: Response) -> Result<Response, ClientError> {
        let unauthorized = response.status() == StatusCode::UNAUTHORIZED;
        refuse_errors(&self.url, response)
            .await
            .map_err(|error| match error {
                ClientError::Refused { message, .. } if unauthorized => ClientError::Unauthorized {
                    url: self.url.to_string(),
                    message,
                },
                error => error,
            })
    }
}

/// The array in an answer: the answer itself, or the one field that holds an array.
#[must_use]
pub fn rows(answer: &Value) -> &[Value] {
    let array = match answer {
        Value::Object(fields) => fields.values().find_map(Value::as_array),
        other => other.as_array(),
    };
    array.map_or(&[], Vec::as_slice)
}

fn task_path(id: &str) -> String {
    // An id is part of a path; whatever else somebody types must not lead elsewhere.
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("api/tasks/{id}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_cannot_lead_to_other_paths() {
        let base: Url = "https://a.example/prefix/".parse().unwrap();
        assert_eq!(
            join(&base, &task_path("../../x?y")).as_str(),
            "https://a.example/prefix/api/tasks/..%2F..%2Fx%3Fy"
        );
    }

    #[test]
    fn rows_are_found_in_either_form() {
        assert_eq!(rows(&json!([1])).len(), 1);
        assert_eq!(rows(&json!({"total": 2, "tasks": [1, 2]})).len(), 2);
        assert!(rows(&json!({"total": 0})).is_empty());
    }
}
