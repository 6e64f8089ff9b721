//! Variables that nobody reads.

use std::ffi::OsString;
use std::fmt;

use crate::declared::Declared;

const PREFIX: &str = "CODEX_";
/// How alike two names have to be, from 0 to 1, for one to be meant by the other.
const ALIKE: f64 = 0.6;

/// A variable whose name looks like that of a setting, and is none of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The program.
    pub program: String,
    /// The variable.
    pub name: String,
    /// What may be meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            name,
            nearest,
        } = self;
        write!(f, "{name} is set, but is no setting of {program}")?;
        match nearest {
            Some(nearest) => write!(f, "; is {nearest} meant?"),
            None => Ok(()),
        }
    }
}

pub(crate) fn unknown<'a>(
    program: &str,
    settings: &[Declared],
    variables: impl Iterator<Item = &'a OsString>,
) -> Vec<Unknown> {
    let known = || settings.iter().map(|setting| setting.variable.as_str());
    let mut unknown: Vec<Unknown> = variables
        .filter_map(|name| name.to_str())
        .filter(|name| name.starts_with(PREFIX) && known().all(|known| known != *name))
        .filter(|name| !is_of_service(name))
        .map(|name| Unknown {
            program: program.to_owned(),
            name: name.to_owned(),
            nearest: nearest(name, known()),
        })
        .collect();
    unknown.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    unknown
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let end = |name: &str| name[PREFIX.len()..].to_ascii_uppercase();
    let name = end(name);
    known
        .filter(|known| known.starts_with(PREFIX))
        .map(|known| {
            let alike = strsim::normalized_damerau_levenshtein(&name, &end(known));
            (alike, known)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.to_owned())
}

/// Kubernetes tells each container of the Services in its namespace: `CODEX_GATEWAY_SERVICE_HOST`, `CODEX_GATEWAY_PORT_80_TCP_ADDR`.
fn is_of_service(name: &str) -> bool {
    let rest = |mark: &str| name.rsplit_once(mark).map(|(_, rest)| rest);
    if name.ends_with("_PORT") || name.ends_with("_SERVICE_HOST") {
        return true;
    }
    if rest("_SERVICE_PORT").is_some_and(|rest| rest.is_empty() || rest.starts_with('_')) {
        return true;
    }
    rest("_PORT_").is_some_and(|rest| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| port.parse::<u16>().is_ok())
            && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_kubernetes_are_no_mistakes() {
        for name in [
            "CODEX_GATEWAY_SERVICE_HOST",
            "CODEX_GATEWAY_SERVICE_PORT",
            "CODEX_GATEWAY_SERVICE_PORT_HTTP",
            "CODEX_GATEWAY_PORT",
            "CODEX_GATEWAY_PORT_80_TCP",
            "CODEX_GATEWAY_PORT_80_TCP_ADDR",
        ] {
            assert!(is_of_service(name), "{name}");
        }
        for name in [
            "CODEX_LISTN",
            "CODEX_PORT_80",
            "CODEX_PORTS",
            "CODEX_PORT_X_TCP",
        ] {
            assert!(!is_of_service(name), "{name}");
        }
    }
}
