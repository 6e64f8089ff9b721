//! A new access token for an old login. Access tokens live for minutes, tasks for hours.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    ClientError,
    api::Tokens,
    credentials::{self, Credentials, Login},
    http::{ANSWER_TIMEOUT, join, read_json, refuse_errors, send},
};

/// Gets a token in place of `ended`, and stores it. `None` when the login cannot be renewed: the token came from the
/// environment, or the gateway wants a new login.
///
/// A refresh token is good for one use, and its second use ends the login everywhere. So the commands that run at the same
/// time take turns, and whoever comes second finds the token that the first one got.
pub(super) async fn refreshed(
    http: &reqwest::Client,
    credentials: &Credentials,
    ended: &SecretString,
) -> Result<Option<SecretString>, ClientError> {
    let Some(file) = &credentials.file else {
        return Ok(None);
    };
    if credentials.token.expose_secret() != ended.expose_secret() {
        return Ok(Some(credentials.token.clone()));
    }
    let _turn = lock(file).await?;
    let Some(login) = credentials::load(file)?.filter(|login| login.url == credentials.url) else {
        return Ok(None);
    };
    if login.access_token != ended.expose_secret() {
        return Ok(Some(login.access_token.into()));
    }
    let Some(refresh_token) = &login.refresh_token else {
        return Ok(None);
    };

    let body = serde_json::json!({"refresh_token": refresh_token});
    let request = http
        .post(join(&login.url, "auth/refresh"))
        .timeout(ANSWER_TIMEOUT)
        .json(&body);
    let response = send(&login.url, request).await?;
    if matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    ) {
        return Ok(None);
    }
    let tokens: Tokens = read_json(&login.url, refuse_errors(&login.url, response).await?).await?;
    let renewed = Login {
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        ..login
    };
    credentials::save(file, &renewed)?;
    Ok(Some(renewed.access_token.into()))
}

/// Waits for this program's turn. The lock is a file of its own, because the credentials are replaced as a whole.
async fn lock(file: &Path) -> Result<File, ClientError> {
    let path = file.with_extension("lock");
    let failed = |source| ClientError::Credentials {
        path: path.clone(),
        source,
    };
    let open = || {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
    };
    let file = open().map_err(failed)?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    locked
        .map_err(io::Error::other)
        .and_then(|locked| locked)
        .map_err(failed)
}
