//! Which model answers: the real one when there is an API key, the scripted one otherwise.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::error::UpError;

/// The variables that may hold a key, the first one wins. `CODEX_API_KEY` is the one that the Codex CLI reads.
const KEY_VARIABLES: [&str; 2] = ["CODEX_API_KEY", "OPENAI_API_KEY"];

/// What answers the model requests.
#[derive(Debug)]
pub enum Model {
    /// The model API, with this key.
    Upstream {
        /// The key.
        key: SecretString,
        /// Where the key was found, for the log.
        origin: String,
    },
    /// The demo model, because of this.
    Demo {
        /// A sentence.
        because: String,
    },
}

/// What the environment offers.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// `(name, value)` of the variables that may hold a key.
    pub variables: Vec<(String, String)>,
    /// The folder of the user's own Codex.
    pub codex_home: Option<PathBuf>,
}

impl Surroundings {
    /// Reads the environment of this process.
    #[must_use]
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            variables: KEY_VARIABLES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
                .collect(),
            codex_home: set("CODEX_HOME")
                .map(PathBuf::from)
                .or_else(|| set("HOME").map(|home| Path::new(&home).join(".codex"))),
        }
    }
}

#[derive(Deserialize)]
struct AuthFile {
    auth_mode: Option<String>,
    #[serde(rename = "OPENAI_API_KEY")]
    api_key: Option<String>,
    tokens: Option<serde::de::IgnoredAny>,
}

/// Finds the credentials.
///
/// # Errors
/// When Codex's own file is there but not readable: to go on without it would hide a mistake.
pub fn discover(demo_asked_for: bool, surroundings: &Surroundings) -> Result<Model, UpError> {
    if demo_asked_for {
        return Ok(Model::Demo {
            because: "--demo-model was given".into(),
        });
    }
    for (name, value) in &surroundings.variables {
        let key = value.trim();
        if !key.is_empty() {
            return Ok(Model::Upstream {
                key: key.to_owned().into(),
                origin: name.clone(),
            });
        }
    }
    let nothing =
        "there is no CODEX_API_KEY or OPENAI_API_KEY, and no API key in ~/.codex/auth.json";
    let Some(file) = surroundings
        .codex_home
        .as_ref()
        .map(|home| home.join("auth.json"))
    else {
        return Ok(Model::Demo {
            because: nothing.into(),
        });
    };
    let unreadable = |reason: String| UpError::Credentials {
        file: file.clone(),
        reason: format!("{reason}. Repair it with `codex login`, or start with --demo-model"),
    };
    let text = match std::fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Model::Demo {
                because: nothing.into(),
            });
        }
        Err(error) => return Err(unreadable(format!("cannot read it: {error}"))),
    };
    // The text of the parser's error could quote a secret, its position cannot.
    let auth: AuthFile = serde_json::from_slice(&text).map_err(|error| {
        unreadable(format!(
            "not JSON as Codex writes it (line {})",
            error.line()
        ))
    })?;
    match auth.api_key.map(|key| key.trim().to_owned()) {
        Some(key) if !key.is_empty() && auth.auth_mode.as_deref() != Some("chatgpt") => {
            Ok(Model::Upstream {
                key: key.into(),
                origin: file.display().to_string(),
            })
        }
        _ if auth.tokens.is_some() || auth.auth_mode.as_deref() == Some("chatgpt") => {
            Ok(Model::Demo {
                because: format!(
                    "{} holds a ChatGPT login, which only works inside a task's Pod where the agent could read it; that is \
                 not offered here. Set CODEX_API_KEY",
                    file.display()
                ),
            })
        }
        _ => Ok(Model::Demo {
            because: nothing.into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn found(variables: &[(&str, &str)], auth_json: Option<&str>) -> Result<String, UpError> {
        let home = tempfile::tempdir().unwrap();
        if let Some(text) = auth_json {
            std::fs::write(home.path().join("auth.json"), text).unwrap();
        }
        let surroundings = Surroundings {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            codex_home: Some(home.path().into()),
        };
        Ok(match discover(false, &surroundings)? {
            Model::Upstream { key, .. } => format!("key {}", key.expose_secret()),
            Model::Demo { because } => format!("demo: {because}"),
        })
    }

    #[test]
    fn the_environment_comes_before_the_file() {
        let file = Some(r#"{"auth_mode":"apikey","OPENAI_API_KEY":"from-file"}"#);
        assert_eq!(
            found(&[("CODEX_API_KEY", "one"), ("OPENAI_API_KEY", "two")], file).unwrap(),
            "key one"
        );
        assert_eq!(
            found(&[("CODEX_API_KEY", " "), ("OPENAI_API_KEY", "two\n")], file).unwrap(),
            "key two"
        );
        assert_eq!(found(&[], file).unwrap(), "key from-file");
    }

    #[test]
    fn an_older_auth_file_has_no_mode() {
        assert_eq!(
            found(&[], Some(r#"{"OPENAI_API_KEY":"k","tokens":null}"#)).unwrap(),
            "key k"
        );
    }

    #[test]
    fn without_a_key_the_demo_model_answers_and_says_why() {
        assert!(found(&[], None).unwrap().contains("no CODEX_API_KEY"));
        assert!(
            found(&[], Some(r#"{"OPENAI_API_KEY":null}"#))
                .unwrap()
                .contains("no CODEX_API_KEY")
        );
        let chatgpt =
            r#"{"auth_mode":"chatgpt","OPENAI_API_KEY":null,"tokens":{"access_token":"x"}}"#;
        assert!(found(&[], Some(chatgpt)).unwrap().contains("ChatGPT login"));
    }

    #[test]
    fn a_broken_file_is_an_error_that_quotes_nothing_of_it() {
        let error = found(&[], Some(r#"{"OPENAI_API_KEY":"sk-secret""#))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("codex login") && !error.contains("sk-secret"),
            "{error}"
        );
    }

    #[test]
    fn the_demo_model_can_be_asked_for() {
        let surroundings = Surroundings {
            variables: vec![("CODEX_API_KEY".into(), "k".into())],
            codex_home: None,
        };
        assert!(matches!(
            discover(true, &surroundings).unwrap(),
            Model::Demo { .. }
        ));
    }
}
