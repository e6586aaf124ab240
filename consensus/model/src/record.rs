//! Audit records: what `apply` appends to the chain, exactly one for each command of a batch, one for a batch without any, and
//! one for each entry of Raft's own. A record has two halves: the act, which its origin signed, and the result.
//!
//! The canonical form is documented here and implemented a second time by the verifier in `node/audit`, which shares no
//! code with this crate so that it can judge it.

use crate::act::Act;
use crate::codec::blob;
use crate::hash::{Hash, put_bytes, put_u64};
use crate::ids::{ClusterId, GroupId, NodeId};
use crate::outcome::Coded;
use crate::signed::{Signed, is_signed};
use serde::{Deserialize, Serialize};

/// What a record's hash begins with.
pub const DOMAIN: &[u8] = b"symbi-record-v2\0";

/// One line of the audit chain. Its id is `index.position`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The log index of its entry.
    pub index: u64,
    /// Its position in its batch.
    pub position: u32,
    /// The term of its entry.
    pub term: u64,
    /// Log time, ms since the Unix epoch; never falls.
    pub time_ms: u64,
    /// The node that proposed; none for Raft's own entries.
    pub origin: Option<NodeId>,
    /// What was asked for.
    pub act: Act,
    /// What came of it.
    pub result: Coded,
    /// The hash of the record before this one; zeros for the first.
    pub previous: Hash,
    /// This record's hash.
    pub hash: Hash,
}

impl Record {
    /// The bytes of the result that are hashed: index, position, term and time as eight big-endian bytes each; the origin's 32 bytes, or
    /// none, behind their length; the code as text behind its length; the values.
    #[must_use]
    pub fn canonical_result(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(192);
        put_u64(&mut out, self.index);
        put_u64(&mut out, u64::from(self.position));
        put_u64(&mut out, self.term);
        put_u64(&mut out, self.time_ms);
        put_bytes(&mut out, self.origin.as_ref().map_or(&[], |node| &node.0));
        put_bytes(&mut out, self.result.code.name().as_bytes());
        self.result.values.put_canonical(&mut out);
        out
    }

    /// Sets `previous` and `hash`: SHA-256 over [`DOMAIN`], the act's leaf, the canonical result, and the previous hash.
    #[must_use]
    pub fn chained(self, previous: Hash) -> Self {
        let leaf = self.act.leaf();
        self.chained_over(&leaf, previous)
    }

    /// [`Record::chained`] when the act's leaf is known.
    #[must_use]
    pub(crate) fn chained_over(mut self, leaf: &Hash, previous: Hash) -> Self {
        self.previous = previous;
        self.hash = Hash::of(&[DOMAIN, &leaf.0, &self.canonical_result(), &previous.0]);
        self
    }
}

/// What the chain keeps of a batch, so that its signature can be checked with the records alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchLine {
    /// The log index of the entry.
    pub index: u64,
    /// Who proposed and signed.
    pub origin: NodeId,
    /// The origin's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// The term in which a leader's batch was decided; 0 for any other.
    pub decided_term: u64,
    /// How many commands.
    pub count: u32,
    /// The version of its acts.
    pub acts: u16,
    /// The RFC 6962 root over its acts' leaves.
    pub root: Hash,
    /// Ed25519; 64 bytes.
    #[serde(with = "blob")]
    pub signature: Vec<u8>,
}

impl BatchLine {
    /// Whether the signature is the origin's, over a batch of this line, for this group of this cluster.
    #[must_use]
    pub fn is_signed(&self, cluster: ClusterId, group: GroupId) -> bool {
        let Self { origin, time_ms, decided_term, acts, root, .. } = self;
        let signed = Signed { origin, time_ms: *time_ms, decided_term: *decided_term, acts: *acts, root };
        is_signed(origin, &signed.bytes(cluster, group, u64::from(self.count)), &self.signature)
    }
}
