//! The rules for a new task. The same rules stand in the schema of the resource and in the operator; here they are told to the
//! person who can still do something about it.

use std::collections::BTreeMap;

use codex_crds::allow_list::{self, Entry};
use codex_crds::env_policy::EnvPolicy;
use codex_crds::limits::{
    MAX_MODEL_BYTES, MAX_PROMPT_BYTES, MAX_TIMEOUT_SECONDS, MIN_TIMEOUT_SECONDS,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use uuid::Uuid;

use crate::database::tasks::NewTask;

/// The body of `POST /api/tasks`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// What Codex shall do: at most 256 KiB of UTF-8, not only white space, no NUL.
    #[schema(min_length = 1, max_length = 262_144, pattern = r"\S")]
    pub prompt: String,
    /// Absolute folder inside an allow-listed repository. Without it the default repository is taken, or the only one there is.
    #[schema(pattern = r"^/", max_length = 4096)]
    #[serde(default)]
    pub cwd: Option<String>,
    /// Environment variables for Codex and its commands: at most 64. Names that steer the sandbox, the loader or git are refused.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The model.
    #[schema(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length = 128)]
    #[serde(default)]
    pub model: Option<String>,
    /// The time limit, in seconds. Without it that of the repository holds, or an hour.
    #[schema(minimum = 1, maximum = 86_400)]
    #[serde(default, deserialize_with = "whole")]
    pub timeout_seconds: Option<i64>,
    /// A finished task of your own whose Codex session this one continues, in the same repository. Without `cwd` and `model` those of
    /// that task are taken. The copy of the repository is a new one: what that task changed is in its patch.
    #[schema(value_type = Option<String>, format = Uuid)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_from: Option<Uuid>,
}

/// Which rule a request breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The field of the request.
    pub field: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl TaskRequest {
    /// The task that the request asks for.
    ///
    /// # Errors
    /// [`Invalid`] for the first rule that is broken.
    pub fn validate(self, repositories: &[Entry], policy: &EnvPolicy) -> Result<NewTask, Invalid> {
        check_prompt(&self.prompt)?;
        check_model(self.model.as_deref())?;
        check_timeout(self.timeout_seconds)?;
        policy
            .check(&self.env)
            .map_err(|error| invalid("env", error.to_string()))?;
        let place = allow_list::resolve(self.cwd.as_deref(), repositories)
            .map_err(|error| invalid("cwd", error.to_string()))?;
        Ok(NewTask {
            prompt: self.prompt,
            cwd: place.cwd,
            repository: place.repository,
            env: self.env,
            model: self.model,
            timeout_seconds: self.timeout_seconds,
            resume_from: self.resume_from,
            idempotency: None,
            traceparent: None,
        })
    }
}

fn check_prompt(prompt: &str) -> Result<(), Invalid> {
    if prompt.trim().is_empty() {
        return Err(invalid(
            "prompt",
            "prompt is empty; say what Codex shall do",
        ));
    }
    if prompt.len() > MAX_PROMPT_BYTES {
        let message = format!(
            "prompt has {} bytes; at most {MAX_PROMPT_BYTES} are allowed. Put long material into the repository and \
             refer to it",
            prompt.len()
        );
        return Err(invalid("prompt", message));
    }
    if prompt.contains('\0') {
        return Err(invalid("prompt", "prompt has a NUL character; remove it"));
    }
    Ok(())
}

/// The pattern is the one of the resource: `^[A-Za-z0-9][A-Za-z0-9._:/-]*$`.
fn check_model(model: Option<&str>) -> Result<(), Invalid> {
    let Some(model) = model else { return Ok(()) };
    let starts_well = model.starts_with(|first: char| first.is_ascii_alphanumeric());
    let goes_on_well = model
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte));
    if starts_well && goes_on_well && model.len() <= MAX_MODEL_BYTES {
        return Ok(());
    }
    let message = format!(
        "model must start with a letter or digit and go on with letters, digits and . _ : / -, at most {MAX_MODEL_BYTES} \
         characters"
    );
    Err(invalid("model", message))
}

/// A whole number, or none. One with a fraction of zero is whole too: to JSON Schema, and to JavaScript, `7.0` is `7`.
///
/// # Errors
/// When it is something else, or does not fit.
pub fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: TryFrom<i128>,
{
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    let Some(number) = number else {
        return Ok(None);
    };
    let fraction_of_zero = || {
        let number = number.as_f64()?;
        // Whatever is whole and smaller than this is exact.
        (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i128)
    };
    let whole = number.as_i128().or_else(fraction_of_zero);
    let whole = whole.and_then(|whole| T::try_from(whole).ok());
    whole.map(Some).ok_or_else(|| {
        serde::de::Error::custom(format_args!(
            "{number} is not a whole number that is meant here"
        ))
    })
}

fn check_timeout(seconds: Option<i64>) -> Result<(), Invalid> {
    match seconds {
        Some(seconds) if !(MIN_TIMEOUT_SECONDS..=MAX_TIMEOUT_SECONDS).contains(&seconds) => {
            let message = format!(
                "timeout_seconds is {seconds}; it must be between {MIN_TIMEOUT_SECONDS} and {MAX_TIMEOUT_SECONDS}"
            );
            Err(invalid("timeout_seconds", message))
        }
        _ => Ok(()),
    }
}

fn invalid(field: &'static str, message: impl Into<String>) -> Invalid {
    Invalid {
        field,
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_fraction_of_zero() {
        let read = |text: &str| {
            let mut json = serde_json::Deserializer::from_str(text);
            whole::<_, u32>(&mut json)
        };
        for (text, expected) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("7e1", Some(70)),
            ("null", None),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for text in ["7.5", "-1", "1e30", "9223372036854775808", "\"7\"", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
