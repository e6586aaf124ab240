//! Audit records: what `apply` appends to the chain, one for each command of a batch and one for each entry of Raft's own.
//!
//! The canonical form is documented here and implemented a second time by the verifier in `node/audit`, which shares no
//! code with this crate so that it can judge it.

use crate::codec::blob;
use crate::hash::{Hash, put_bytes, put_u64};
use crate::ids::{NodeId, PolicyNumber};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a record's hash begins with.
pub const DOMAIN: &[u8] = b"symbi-record-v1\0";

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
    /// What happened, such as `agent.create`.
    pub kind: String,
    /// Who asked, such as `user:admin` or `node:n1`.
    pub actor: String,
    /// To what, such as `agent:reviewer-1`.
    pub subject: String,
    /// `DONE`, or the code of the refusal.
    pub outcome: String,
    /// The client's key, `client:sequence`; empty for a node's own.
    pub request: String,
    /// The decision that permitted it; empty where none was needed.
    pub decision: String,
    /// The policy set of that decision; 0 where none was needed.
    pub policy_set: PolicyNumber,
    /// SHA-256 of the command's bytes; zeros for Raft's own entries.
    pub command: Hash,
    /// What else there is to know, by name.
    pub details: BTreeMap<String, String>,
    /// The hash of the record before this one; zeros for the first.
    pub previous: Hash,
    /// This record's hash.
    pub hash: Hash,
}

impl Record {
    /// The bytes that are hashed: integers as eight big-endian bytes, texts and byte strings behind their length (the same
    /// eight bytes), in the order of the fields; the origin as its 32 bytes, or as an empty string; the details as their
    /// count, then name and value of each, by name.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        put_u64(&mut out, self.index);
        put_u64(&mut out, u64::from(self.position));
        put_u64(&mut out, self.term);
        put_u64(&mut out, self.time_ms);
        put_bytes(&mut out, self.origin.as_ref().map_or(&[], |node| &node.0));
        for text in [&self.kind, &self.actor, &self.subject, &self.outcome, &self.request, &self.decision] {
            put_bytes(&mut out, text.as_bytes());
        }
        put_u64(&mut out, self.policy_set.0);
        put_bytes(&mut out, &self.command.0);
        put_u64(&mut out, self.details.len() as u64);
        for (name, value) in &self.details {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
        out
    }

    /// Sets `previous` and `hash`: SHA-256 over [`DOMAIN`], the canonical bytes, and the previous hash.
    #[must_use]
    pub fn chained(mut self, previous: Hash) -> Self {
        self.previous = previous;
        self.hash = Hash::of(&[DOMAIN, &self.canonical(), &previous.0]);
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
    /// The RFC 6962 root over the commands' leaves.
    pub root: Hash,
    /// Ed25519; 64 bytes.
    #[serde(with = "blob")]
    pub signature: Vec<u8>,
}
