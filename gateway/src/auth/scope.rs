//! What an API token is good for.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of what a user may do. A token has at least one, and never gets further than its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, utoipa::ToSchema)]
pub enum TokenScope {
    /// Look at tasks, their logs and results, and at the repositories.
    #[serde(rename = "tasks:read")]
    TasksRead,
    /// Submit and cancel tasks.
    #[serde(rename = "tasks:write")]
    TasksWrite,
    /// Administrate users, read the audit log, and, with the scopes of tasks, see everybody's; for administrators only.
    #[serde(rename = "admin")]
    Admin,
}

impl TokenScope {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::TasksRead, Self::TasksWrite, Self::Admin];

    /// The word in the API and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::Admin => "admin",
        }
    }

    /// The scope of this name. A name of a later version is none that this one could honour.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
