//! What the operator finds out about its cluster before it works, and from time to time after: whether it may do what it will have to,
//! whether the custom resources are those that it was built with, and whether Pods will be as walled in as they are meant to be.
//!
//! Everything that is wrong is told at once, each with what to do about it. Only that without which no task could ever run holds the
//! operator up: it waits until that is repaired. All else is a warning, because tasks that run need their operator. Findings
//! are in the log, in the answer of `/readyz` and in the metric `preflight_findings`.

mod definitions;
mod nodes;
mod rights;
mod surroundings;
mod trial;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::Client;

use crate::config::{Config, UserNamespaces};
use crate::plan::UserNamespace;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// For one request.
const ANSWER: Duration = Duration::from_secs(10);
/// Rights and policies change rarely, and nothing depends on hearing of it soon.
const AGAIN: Duration = Duration::from_secs(30 * 60);

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No task could run: the operator waits.
    Stops,
    /// Somebody should look at it.
    Warns,
}

impl Severity {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Stops, Self::Warns];

    /// The word in labels and texts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stops => "error",
            Self::Warns => "warning",
        }
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, and what to do.
    pub text: String,
}

impl Finding {
    fn stops(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Stops,
            text: text.into(),
        }
    }

    fn warns(text: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warns,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.label(), self.text)
    }
}

/// What was found last. It is shared by all parts of the operator.
#[derive(Debug, Default)]
pub struct Preflight(Mutex<Report>);

#[derive(Clone, Debug, Default)]
struct Report {
    findings: Vec<Finding>,
    user_namespace: UserNamespace,
}

impl Preflight {
    /// What was found last, the worst first.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.lock().findings.clone()
    }

    /// How many findings there are of a kind.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let report = self.lock();
        let of_it = |finding: &&Finding| finding.severity == severity;
        report.findings.iter().filter(of_it).count()
    }

    /// Whether Pods get user namespaces of their own.
    #[must_use]
    pub fn user_namespace(&self) -> UserNamespace {
        self.lock().user_namespace
    }

    /// Waits until nothing stops the operator any more.
    pub async fn wait(&self, client: &Client, config: &Config) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.learn(look(client, config).await);
            if self.count(Severity::Stops) == 0 {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Looks again from time to time. What would have stopped the operator is then told like anything else: it goes on as far as it can.
    pub async fn watch(self: Arc<Self>, client: Client, config: Arc<Config>) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let report = look(&client, &config).await;
            // A server that is away for a moment says nothing about all that.
            if !report.is_blind {
                self.learn(report);
            }
        }
    }

    /// Takes over what was found, and tells it where it is new.
    fn learn(&self, seen: Seen) {
        let mut findings = seen.findings;
        findings.sort();
        findings.dedup();
        let mut report = self.lock();
        if !seen.is_blind {
            report.user_namespace = seen.user_namespace;
        }
        if report.findings == findings {
            return;
        }
        report.findings = findings;
        match report.findings.len() {
            0 => tracing::info!("all that was wrong with the cluster is repaired"),
            count => tracing::warn!(
                findings = count,
                "the cluster is not as it should be:\n{}",
                list(&report.findings)
            ),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Findings as people read them, one a line.
#[must_use]
pub fn list(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("- {finding}"))
        .collect();
    lines.join("\n")
}

/// What one look at the cluster brought.
#[derive(Debug, Default)]
struct Seen {
    findings: Vec<Finding>,
    user_namespace: UserNamespace,
    /// Nobody answered, so nothing is known.
    is_blind: bool,
}

async fn look(client: &Client, config: &Config) -> Seen {
    let version = match ask(client.apiserver_version()).await {
        Ok(version) => version,
        Err(problem) => {
            return Seen {
                findings: vec![Finding::stops(format!(
                    "the Kubernetes API does not answer: {problem}. Check the kubeconfig or the service account, and whether a network policy lets the operator reach the API server."
                ))],
                is_blind: true,
                ..Seen::default()
            };
        }
    };
    let mut findings = Vec::new();
    definitions::check(client, &mut findings).await;
    let held = rights::check(client, config, &mut findings).await;
    let user_namespace = match config.user_namespaces {
        UserNamespaces::Never => UserNamespace::OfNode,
        UserNamespaces::Always => UserNamespace::Own,
        UserNamespaces::Auto => nodes::user_namespace(client, config, &held, &mut findings).await,
    };
    // The rest asks for what these lack, and would only say so again.
    if !findings
        .iter()
        .any(|finding| finding.severity == Severity::Stops)
    {
        surroundings::check(client, config, &held, &mut findings).await;
        trial::check(client, config, &version, user_namespace, &mut findings).await;
    }
    Seen {
        findings,
        user_namespace,
        is_blind: false,
    }
}

/// One request, with a limit.
async fn ask<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Problem> {
    match tokio::time::timeout(ANSWER, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Problem::Refused(status)),
        Ok(Err(error)) => Err(Problem::Away(error.to_string())),
        Err(_) => Err(Problem::Away("there was no answer in time".to_owned())),
    }
}

/// Why there is no answer.
#[derive(Debug)]
enum Problem {
    /// The server says no.
    Refused(Box<kube::core::Status>),
    /// Nobody said anything.
    Away(String),
}

impl Problem {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.is_not_found())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "{} ({})", status.message, status.code),
            Self::Away(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first_and_nothing_twice() {
        let preflight = Preflight::default();
        let seen = |findings: Vec<Finding>| Seen {
            findings,
            ..Seen::default()
        };
        preflight.learn(seen(vec![
            Finding::warns("b"),
            Finding::stops("c"),
            Finding::warns("b"),
        ]));
        assert_eq!(list(&preflight.findings()), "- error: c\n- warning: b");
        assert_eq!(preflight.count(Severity::Stops), 1);
        preflight.learn(seen(Vec::new()));
        assert!(preflight.findings().is_empty());
    }

    #[test]
    fn silence_takes_no_user_namespace_away() {
        let preflight = Preflight::default();
        preflight.learn(Seen {
            user_namespace: UserNamespace::Own,
            ..Seen::default()
        });
        preflight.learn(Seen {
            is_blind: true,
            ..Seen::default()
        });
        assert_eq!(preflight.user_namespace(), UserNamespace::Own);
    }
}
