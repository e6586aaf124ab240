//! Join tokens.

use serde::{Deserialize, Serialize};
use symbi_model::TokenId;
use symbi_model::token::JoinToken;

/// A token's life when none is given, ms.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What is asked of a new token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// How many joins it allows, 1 to 1,000. Default: 1.
    #[serde(default = "one")]
    pub uses: u32,
    /// For how long, ms. Default: 24 hours.
    #[serde(default = "day")]
    pub ttl_ms: u64,
}

fn one() -> u32 {
    1
}

fn day() -> u64 {
    DAY_MS
}

/// A new token. Its text is shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// The token.
    pub token: String,
    /// Its public half.
    pub id: String,
    /// When it ends, ms since the Unix epoch.
    pub expires_ms: u64,
    /// The command that joins a node with it.
    pub join_command: String,
    /// The log index of the write.
    pub index: u64,
}

/// A line of `token ls`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its public half.
    pub id: String,
    /// How many joins it allows.
    pub uses: u32,
    /// How many hold a use.
    pub used: u32,
    /// When it ends, ms since the Unix epoch.
    pub expires_ms: u64,
    /// valid, used, expired or revoked.
    pub state: String,
    /// Who made it.
    pub user: String,
}

/// Its line in `token ls`.
#[must_use]
pub fn line(id: &TokenId, token: &JoinToken, now_ms: u64) -> Line {
    let used = u32::try_from(token.joins.len()).unwrap_or(u32::MAX);
    let state = match () {
        () if token.revoked => "revoked",
        () if now_ms > token.expires_ms => "expired",
        () if used >= token.uses => "used",
        () => "valid",
    };
    Line {
        id: id.to_string(),
        uses: token.uses,
        used,
        expires_ms: token.expires_ms,
        state: state.to_owned(),
        user: token.user.clone(),
    }
}
