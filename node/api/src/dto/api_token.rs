//! API tokens. Their texts are shown once, to whoever makes them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use symbi_model::ApiTokenId;
use symbi_model::token::{ApiToken, Scope};

/// A token's life when none is given, ms: 90 days.
pub const TTL_MS: u64 = 90 * super::token::DAY_MS;

/// What is asked of a new token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The user for whom its bearer acts.
    pub user: String,
    /// The actions that it is good for; null for whatever its user may. Default: null.
    #[serde(default)]
    pub scope: Option<BTreeSet<String>>,
    /// For how long it is good, ms; null for ever. Default: 90 days.
    #[serde(default = "ttl")]
    pub ttl_ms: Option<u64>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's own type")]
fn ttl() -> Option<u64> {
    Some(TTL_MS)
}

/// The answer to a new token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// Its id: how the SHA-256 of its text begins.
    pub id: String,
    /// Its text. It is not kept anywhere.
    pub token: String,
    /// The user.
    pub user: String,
    /// The actions that it is good for; null for whatever its user may.
    pub scope: Option<BTreeSet<String>>,
    /// When it ends, ms since the Unix epoch, or null.
    pub expires_ms: Option<u64>,
    /// The log index of the write.
    pub index: u64,
}

/// A line of `api-token ls`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its id: how the SHA-256 of its text begins.
    pub id: String,
    /// The user.
    pub user: String,
    /// The actions that it is good for; null for whatever its user may.
    pub scope: Option<BTreeSet<String>>,
    /// When it ends, ms since the Unix epoch, or null.
    pub expires_ms: Option<u64>,
    /// `valid` or `expired`, by the answering node's clock.
    pub state: String,
    /// Who made it.
    pub created_by: String,
    /// When, ms since the Unix epoch.
    pub created_ms: u64,
}

/// Its line in `api-token ls`.
#[must_use]
pub fn line(token: &ApiToken, now_ms: u64) -> Line {
    Line {
        id: ApiTokenId::of(&token.hash).to_string(),
        user: token.user.clone(),
        scope: match &token.scope {
            Scope::All => None,
            Scope::Actions(actions) => Some(actions.clone()),
        },
        expires_ms: token.expires_ms,
        state: if token.has_expired(now_ms) { "expired" } else { "valid" }.to_owned(),
        created_by: token.created_by.clone(),
        created_ms: token.created_ms,
    }
}
