//! A policy set as it is kept: text, entities and number. Parsing and judging are `node/policy`'s.

use crate::hash::{Hash, put_bytes};
use crate::ids::{ApiTokenId, DecisionId, PolicyNumber};
use serde::{Deserialize, Serialize};

/// The longest text of policies, and the longest of entities, in bytes.
pub const TEXT_BYTES: usize = 256 * 1024;
/// No entities, as Cedar's JSON.
pub const NO_ENTITIES: &str = "[]";

/// An immutable, numbered policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Its number.
    pub number: PolicyNumber,
    /// The Cedar policies.
    pub text: String,
    /// Their entities, as Cedar's JSON.
    pub entities: String,
    /// [`PolicySet::hash_of`] both.
    pub hash: Hash,
    /// Who applied it.
    pub actor: String,
    /// The log index that made it.
    pub created_at: u64,
    /// The log time of that, ms since the Unix epoch.
    pub created_ms: u64,
}

impl PolicySet {
    /// SHA-256 over text and entities, each behind its length as eight big-endian bytes.
    #[must_use]
    pub fn hash_of(text: &str, entities: &str) -> Hash {
        let mut out = Vec::with_capacity(16 + text.len() + entities.len());
        put_bytes(&mut out, text.as_bytes());
        put_bytes(&mut out, entities.as_bytes());
        Hash::of(&[&out])
    }
}

/// What a command carries of the permit under which it was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitRef {
    /// The verdict.
    pub decision: DecisionId,
    /// The policy set that was current when it was given.
    pub policy_set: PolicyNumber,
    /// The API token that was shown; none where none was needed.
    pub credential: Option<ApiTokenId>,
}
