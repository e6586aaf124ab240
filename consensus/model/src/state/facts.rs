//! What the cluster is, and the small facts of it that change.

use crate::hash::Hash;
use crate::ids::{ClusterId, PolicyNumber};
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

/// The cluster's own facts, fixed by its genesis but for the generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its name.
    pub name: String,
    /// The domain of its agents' identities.
    pub domain: String,
    /// SHA-256 of the genesis entry's signed bytes and signature.
    pub anchor: Hash,
    /// Which life of the cluster this is: raised by a recovery that gives up a quorum; the top 16 bits of every epoch.
    pub generation: u16,
    /// Under which specs are named in the audit.
    pub secret: Secret,
}

/// The small facts that change: one row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The last index applied.
    pub applied_index: u64,
    /// The term of the last entry applied.
    pub applied_term: u64,
    /// Log time, ms since the Unix epoch: the highest batch time so far.
    pub log_time_ms: u64,
    /// The last epoch given, without the generation.
    pub last_epoch: u64,
    /// The gate that is open.
    pub gate: u32,
    /// The current policy set.
    pub policy_set: PolicyNumber,
    /// How many audit records there are.
    pub audit_records: u64,
    /// The hash of the last one.
    pub audit_head: Hash,
    /// How many commands of the next gate there were, in builds for tests only: what version 2 of this row adds.
    #[cfg(planted)]
    #[serde(skip)]
    pub marks: u64,
}
