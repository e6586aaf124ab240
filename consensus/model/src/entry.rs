//! A log entry's payload: a batch of commands of one node, under one signature.

use crate::act::describe::describe;
use crate::act::{Act, Salt, salted};
use crate::codec::{blob, bytes};
use crate::command::{Command, Genesis};
use crate::gate::ACTS;
use crate::hash::Hash;
use crate::ids::{ClusterId, GroupId, NodeId, RequestId};
use crate::merkle;
use crate::names::Field;
use crate::policy::PermitRef;
use crate::signed::{Signed, is_signed};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};

/// Up to this many bytes, commands that wait together go in one batch.
pub const BATCH_BYTES: usize = 128 * 1024;
/// A longer command is refused.
pub const COMMAND_BYTES: usize = 512 * 1024;

/// No leader takes a batch whose time is further ahead of its clock, ms: as far as the clocks of two nodes may be apart.
pub const AHEAD_MS: u64 = 2_000;
/// No leader takes a batch whose time is further behind its clock, ms: a repetition keeps its first time.
pub const BEHIND_MS: u64 = 90_000;

/// No batch takes log time further on than this, ms: a day. A cluster that was off for longer has its leader propose as many batches
/// of nothing first.
pub const STRIDE_MS: u64 = 24 * 60 * 60 * 1000;

/// What the bytes of a cluster's anchor begin with.
pub const ANCHOR_DOMAIN: &[u8] = b"symbi-anchor-v1\0";
/// The control group: the one whose entries [`crate::apply`] applies.
pub const CONTROL: GroupId = GroupId(0);

/// One command of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Which write of which client this is; none for a node's own commands, which are idempotent by themselves.
    pub request: Option<RequestId>,
    /// The permit under which it was proposed; none where [`crate::Command::needs_permit`] says so.
    pub permit: Option<PermitRef>,
    /// What the command is hashed with in the audit.
    pub salt: Salt,
    /// The encoded command (see [`crate::codec`]).
    #[serde(with = "blob")]
    pub command: Vec<u8>,
}

/// What one node proposes at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The node that proposes and signs.
    pub origin: NodeId,
    /// Its clock then, ms since the Unix epoch.
    pub time_ms: u64,
    /// For a leader's batch: the term in which it was decided. The entry must carry the same term.
    pub decided_term: Option<u64>,
    /// The version of the acts that the signature covers; at most what the gate allows.
    pub acts: u16,
    /// The commands.
    pub items: Vec<Item>,
    /// Ed25519 over [`Batch::signed_bytes`]; 64 bytes.
    #[serde(with = "blob")]
    pub signature: Vec<u8>,
}

impl Item {
    /// A command of `request`, under `permit`, hashed with `salt`.
    #[must_use]
    pub fn new(request: Option<RequestId>, permit: Option<PermitRef>, salt: Salt, command: &Command) -> Self {
        Self { request, permit, salt, command: bytes::encode(command) }
    }

    /// The act, in this act version, that this is when `command` is what its bytes say and `origin` proposes it.
    #[must_use]
    pub fn act(&self, command: &Command, origin: NodeId, acts: u16) -> Act {
        let (actor, subject, mut details) = describe(command, origin, acts);
        if let Some(credential) = self.permit.and_then(|permit| permit.credential) {
            details.put(Field::API_TOKEN, credential.to_string().as_str());
        }
        let hash = salted(&self.salt, &self.command);
        Act { kind: command.kind(), actor, subject, details, request: self.request, permit: self.permit, command: hash }
    }

    /// The leaf of its act. One whose command cannot be read has that of its bytes: its batch is refused whole.
    fn leaf(&self, origin: NodeId, acts: u16) -> Hash {
        match bytes::decode(&self.command, COMMAND_BYTES) {
            Ok(command) => self.act(&command, origin, acts).leaf(),
            Err(_) => merkle::leaf(&self.command),
        }
    }
}

impl Batch {
    /// Signs `items` as the node whose key this is. `decided_term` is for a leader's commands only.
    #[must_use]
    pub fn sign(
        cluster: ClusterId,
        group: GroupId,
        key: &SigningKey,
        time_ms: u64,
        decided_term: Option<u64>,
        items: Vec<Item>,
    ) -> Self {
        let origin = NodeId(key.verifying_key().to_bytes());
        let batch = Self { origin, time_ms, decided_term, acts: ACTS, items, signature: Vec::new() };
        batch.signed(cluster, group, key)
    }

    /// The same in another act version, signed anew.
    #[must_use]
    pub fn in_acts(self, acts: u16, cluster: ClusterId, group: GroupId, key: &SigningKey) -> Self {
        Self { acts, ..self }.signed(cluster, group, key)
    }

    fn signed(mut self, cluster: ClusterId, group: GroupId, key: &SigningKey) -> Self {
        self.signature = key.sign(&self.signed_bytes(cluster, group)).to_bytes().to_vec();
        self
    }

    /// The entry that makes a cluster, signed by its first node; the cluster's id is the one it makes.
    #[must_use]
    pub fn genesis(genesis: Genesis, salt: Salt, key: &SigningKey, time_ms: u64) -> Self {
        let cluster = genesis.cluster;
        let item = Item::new(None, None, salt, &Command::Genesis(genesis));
        Self::sign(cluster, CONTROL, key, time_ms, None, vec![item])
    }

    /// Whether the signature is the origin's, over this batch, for this group of this cluster.
    #[must_use]
    pub fn verify(&self, cluster: ClusterId, group: GroupId) -> bool {
        self.verify_root(cluster, group, &self.root())
    }

    /// What the cluster is known by when this is its genesis: SHA-256 over [`ANCHOR_DOMAIN`], the signed bytes and the signature.
    #[must_use]
    pub fn anchor(&self, cluster: ClusterId, group: GroupId) -> Hash {
        Hash::of(&[ANCHOR_DOMAIN, &self.signed_bytes(cluster, group), &self.signature])
    }

    /// The bytes that are signed: [`crate::signed::DOMAIN`], cluster id, group, origin, time, decided term (0 for none), count of items, act
    /// version and [`Batch::root`], integers as eight big-endian bytes.
    #[must_use]
    pub fn signed_bytes(&self, cluster: ClusterId, group: GroupId) -> Vec<u8> {
        self.signed_root(cluster, group, &self.root())
    }

    /// The RFC 6962 root over the leaves of the items' acts.
    #[must_use]
    pub fn root(&self) -> Hash {
        let leaves: Vec<Hash> = self.items.iter().map(|item| item.leaf(self.origin, self.acts)).collect();
        merkle::root(&leaves)
    }

    /// [`Batch::verify`] when the root is known.
    pub(crate) fn verify_root(&self, cluster: ClusterId, group: GroupId, root: &Hash) -> bool {
        is_signed(&self.origin, &self.signed_root(cluster, group, root), &self.signature)
    }

    fn signed_root(&self, cluster: ClusterId, group: GroupId, root: &Hash) -> Vec<u8> {
        let decided_term = self.decided_term.unwrap_or(0);
        let signed = Signed { origin: &self.origin, time_ms: self.time_ms, decided_term, acts: self.acts, root };
        signed.bytes(cluster, group, self.items.len() as u64)
    }
}

/// An entry of the log, as it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The term of the leader that appended it.
    pub term: u64,
    /// Its place in the log.
    pub index: u64,
    /// What it carries.
    pub payload: Payload,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A change of the group's members, for the record: voters of each joint configuration, and learners.
    Membership {
        /// One set of voters, two while a change is joint.
        voters: Vec<Vec<NodeId>>,
        /// Who replicates without a vote.
        learners: Vec<NodeId>,
    },
    /// An encoded [`Batch`] (see [`crate::codec`]).
    Batch(#[serde(with = "blob")] Vec<u8>),
}
