//! The Secret of a task.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Checked, NONCE_KEY, PROMPT_KEY, TOKEN_KEY, metadata, prompt};

/// The Secret with the prompt, the token for the pod proxy and the nonce of the log. The container sees the prompt as a file; the
/// other two are in the environment of PID 1 only, which the agent cannot read.
#[must_use]
pub fn secret(checked: &Checked<'_>, token: &SecretString, nonce: &SecretString) -> Secret {
    let bytes = |text: &str| ByteString(text.as_bytes().to_vec());
    Secret {
        metadata: metadata(checked),
        type_: Some("Opaque".into()),
        data: Some(BTreeMap::from([
            (PROMPT_KEY.into(), bytes(&prompt(checked))),
            (TOKEN_KEY.into(), bytes(token.expose_secret())),
            (NONCE_KEY.into(), bytes(nonce.expose_secret())),
        ])),
        ..Secret::default()
    }
}
