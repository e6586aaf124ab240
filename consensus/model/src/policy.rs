//! A policy set as it is kept: text and number. Parsing and judging are `node/policy`'s.

use crate::hash::Hash;
use crate::ids::DecisionId;
use crate::ids::PolicyNumber;
use serde::{Deserialize, Serialize};

/// An immutable, numbered policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Its number.
    pub number: PolicyNumber,
    /// The Cedar policies.
    pub text: String,
    /// SHA-256 of the text.
    pub hash: Hash,
    /// The log index that made it.
    pub created_at: u64,
}

/// What a command carries of the permit under which it was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermitRef {
    /// The verdict.
    pub decision: DecisionId,
    /// The policy set that was current when it was given.
    pub policy_set: PolicyNumber,
}
