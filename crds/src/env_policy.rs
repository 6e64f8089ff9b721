//! Which environment variables a task may set.
//!
//! A name passes when it is well-formed, when a pattern of the allow-list admits it, and when it is none of those that
//! steer the dynamic loader, shells, interpreters, git, proxies, Kubernetes clients or Codex itself. The last rule
//! cannot be configured away.

use std::collections::BTreeMap;

use crate::limits::{MAX_ENV_VALUE_BYTES, MAX_ENV_VARS};

/// Names that are always refused.
pub(crate) const REFUSED_NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "ENV",
    "BASH_ENV",
    "BASHOPTS",
    "SHELLOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "IFS",
    "CDPATH",
    "GLOBIGNORE",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "FTP_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "RUSTC_WRAPPER",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "LOCPATH",
    "NLSPATH",
    "GCONV_PATH",
    "MALLOC_TRACE",
    "KUBECONFIG",
    "EDITOR",
    "VISUAL",
    "PAGER",
];

/// Beginnings of names that are always refused.
pub(crate) const REFUSED_PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "GIT_",
    "CODEX_",
    "OPENAI_",
    "PYTHON",
    "BASH_FUNC_",
    "SSH_",
    "KUBERNETES_",
    "GLIBC_",
];

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPolicy {
    allowed: Vec<String>,
}

impl Default for EnvPolicy {
    /// Admits every name that the fixed rules do not refuse.
    fn default() -> Self {
        Self::new(["*"])
    }
}

/// Why a variable is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// There are too many.
    #[error("env has {0} variables; at most {MAX_ENV_VARS} are allowed")]
    TooMany(usize),
    /// The name is not a name.
    #[error(
        "env name {0:?} is malformed; use letters, digits and underscores, not starting with a digit, at most 128"
    )]
    Malformed(String),
    /// The name steers the sandbox or its tools.
    #[error(
        "env name {0:?} is refused because it steers the loader, the shell, git or Codex itself; choose another name"
    )]
    Refused(String),
    /// The allow-list does not have it.
    #[error("env name {name:?} is not on the allow-list; allowed are: {allowed}")]
    NotAllowed {
        /// The name.
        name: String,
        /// The patterns of the allow-list.
        allowed: String,
    },
    /// The value cannot be passed on.
    #[error("the value of env {0:?} has a NUL character or more than {MAX_ENV_VALUE_BYTES} bytes")]
    Value(String),
}

impl EnvPolicy {
    /// A policy from patterns: a name, or a beginning followed by `*`.
    pub fn new<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self {
            allowed: patterns.into_iter().map(Into::into).collect(),
        }
    }

    /// The patterns of the allow-list.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.allowed
    }

    /// Checks all variables of a task.
    ///
    /// # Errors
    /// [`EnvError`] names the first variable that is refused, and why.
    pub fn check(&self, env: &BTreeMap<String, String>) -> Result<(), EnvError> {
        if env.len() > MAX_ENV_VARS {
            return Err(EnvError::TooMany(env.len()));
        }
        for (name, value) in env {
            self.check_name(name)?;
            if value.contains('\0') || value.len() > MAX_ENV_VALUE_BYTES {
                return Err(EnvError::Value(name.clone()));
            }
        }
        Ok(())
    }

    fn check_name(&self, name: &str) -> Result<(), EnvError> {
        let mut bytes = name.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        if !starts_well
            || name.len() > 128
            || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return Err(EnvError::Malformed(name.to_owned()));
        }
        // Proxies and some tools read lower-case twins of these names.
        let upper = name.to_ascii_uppercase();
        if REFUSED_NAMES.contains(&upper.as_str())
            || REFUSED_PREFIXES.iter().any(|p| upper.starts_with(p))
        {
            return Err(EnvError::Refused(name.to_owned()));
        }
        let allowed = self
            .allowed
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => pattern == name,
            });
        if allowed {
            Ok(())
        } else {
            Err(EnvError::NotAllowed {
                name: name.to_owned(),
                allowed: self.allowed.join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn names_that_steer_are_refused_in_any_case() {
        let policy = EnvPolicy::default();
        for name in [
            "LD_PRELOAD",
            "GIT_DIR",
            "PATH",
            "CODEX_HOME",
            "OPENAI_API_KEY",
            "https_proxy",
            "PYTHONPATH",
            "ld_x",
        ] {
            assert_eq!(
                policy.check(&env(name, "x")),
                Err(EnvError::Refused(name.into()))
            );
        }
        for name in ["", "1A", "A-B", "A=B", "Ä", "A B"] {
            assert_eq!(
                policy.check(&env(name, "x")),
                Err(EnvError::Malformed(name.into()))
            );
        }
        policy.check(&env("RUST_LOG", "debug")).unwrap();
        policy.check(&env("_x1", "")).unwrap();
    }

    #[test]
    fn the_allow_list_decides_the_rest() {
        let policy = EnvPolicy::new(["CI", "RUST_*"]);
        policy.check(&env("CI", "1")).unwrap();
        policy.check(&env("RUST_LOG", "1")).unwrap();
        assert!(matches!(
            policy.check(&env("CIX", "1")),
            Err(EnvError::NotAllowed { .. })
        ));
    }

    #[test]
    fn values_and_numbers_are_bounded() {
        let policy = EnvPolicy::default();
        assert_eq!(
            policy.check(&env("A", "\0")),
            Err(EnvError::Value("A".into()))
        );
        assert_eq!(
            policy.check(&env("A", &"x".repeat(8193))),
            Err(EnvError::Value("A".into()))
        );
        let many = (0..65).map(|i| (format!("A{i}"), String::new())).collect();
        assert_eq!(policy.check(&many), Err(EnvError::TooMany(65)));
    }
}
