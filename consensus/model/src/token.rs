//! Tokens: those that let nodes join, and those that open the HTTP interface.

use crate::hash::Hash;
use crate::ids::NodeId;
use crate::user::KEEPS;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The most uses of one join token.
pub const USES: u32 = 1000;
/// The most API tokens of one user.
pub const API_TOKENS: usize = 16;
/// The longest scope as text, in bytes: what a record of the audit holds.
pub const SCOPE_BYTES: usize = crate::field::TEXT_BYTES;

/// A join token's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// HKDF of the secret: password-equivalent within this cluster.
    pub verifier: [u8; 32],
    /// How many joins it allows in all.
    pub uses: u32,
    /// The joins that hold a use: the node, and whether it has finished.
    pub joins: OrdMap<NodeId, bool>,
    /// Log time after which it is refused, ms since the Unix epoch.
    pub expires_ms: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// For whom `node::admit` is judged: the user who made it.
    pub user: String,
    /// The log index that made it.
    pub created_at: u64,
}

/// An API token's record, keyed by the SHA-256 of the token. Once it is revoked, it is not there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// SHA-256 of the token's text.
    pub hash: Hash,
    /// The user for whom its bearer acts.
    pub user: String,
    /// What its bearer may do at most.
    pub scope: Scope,
    /// The time from which on it is refused, ms since the Unix epoch; none if there is none.
    pub expires_ms: Option<u64>,
    /// Who made it.
    pub created_by: String,
    /// The log index that made it.
    pub created_at: u64,
    /// The log time of that, ms since the Unix epoch.
    pub created_ms: u64,
}

/// What the bearer of an API token may do at most; what its user may not, a scope does not add. The order of variants is the disk
/// format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Whatever its user may.
    All,
    /// These actions.
    Actions(BTreeSet<String>),
}

impl ApiToken {
    /// Whether its time is over.
    #[must_use]
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms)
    }

    /// Whether its bearer can change the policies, if the user may, until it is revoked: whoever has only one that ends is locked out
    /// then, and nobody is asked.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.expires_ms.is_none() && self.scope.allows(KEEPS)
    }
}

impl Scope {
    /// Whether an action is in it.
    #[must_use]
    pub fn allows(&self, action: &str) -> bool {
        match self {
            Self::All => true,
            Self::Actions(actions) => actions.contains(action),
        }
    }

    /// Whether all that is in `other` is in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Actions(_), Self::All) => false,
            (Self::Actions(own), Self::Actions(others)) => others.is_subset(own),
        }
    }
}

/// `all`, or the actions with a space between them.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all"),
            Self::Actions(actions) => {
                let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
                formatter.write_str(&actions.join(" "))
            }
        }
    }
}
