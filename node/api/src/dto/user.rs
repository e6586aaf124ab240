//! Users, as they are listed and made.

use serde::{Deserialize, Serialize};

/// What is asked of a new user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The name: a-z, 0-9 and '-', at most 63.
    pub name: String,
}

/// A line of `user ls`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The name.
    pub name: String,
    /// The groups that the current policy set has the user in, directly or through others.
    pub groups: Vec<String>,
    /// How many API tokens the user has.
    pub tokens: usize,
    /// Who made the user.
    pub created_by: String,
    /// When, ms since the Unix epoch.
    pub created_ms: u64,
}
