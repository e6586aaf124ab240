//! The lines of a bundle. Each has exactly one encoding: compact JSON, fields in the order in which they stand here.
//!
//! In this order: one `bundle` line; the chain, in log order, each `batch` line before its `record` lines, and Raft's own
//! records without one; `key` lines by node; `policy` lines by number; the ledgers by node ([`ledger`]); one `manifest` line.

pub mod ledger;

use crate::hex::Hex;
use ledger::{Entry, LedgerHeader, Missing};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The version of the format.
pub(crate) const VERSION: u32 = 2;

/// Any line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first: what the bundle is of.
    Bundle(Header),
    /// What the chain keeps of a batch.
    Batch(Batch),
    /// A record.
    Record(Record),
    /// A node's keys.
    Key(Key),
    /// A policy set.
    Policy(Policy),
    /// A node's ledger; its entries follow.
    Ledger(LedgerHeader),
    /// An entry of a ledger.
    Entry(Box<Entry>),
    /// A ledger that could not be had.
    Missing(Missing),
    /// The last: what the bundle holds, signed.
    Manifest(Manifest),
}

/// What a bundle is of, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub version: u32,
    /// The cluster.
    pub cluster: Cluster,
    /// The cluster's name.
    pub cluster_name: String,
    /// The Raft group whose chain it is; 0 is the control group.
    pub group: u64,
    /// The node that made it.
    pub exporter: Hex<32>,
}

/// What the chain keeps of a batch of commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The log index of its entry.
    pub index: u64,
    /// The node that proposed and signed.
    pub origin: Hex<32>,
    /// The origin's clock, ms since the Unix epoch.
    pub time_ms: u64,
    /// The term in which a leader's batch was decided; 0 for any other.
    pub decided_term: u64,
    /// How many commands, and so records.
    pub count: u32,
    /// The RFC 6962 root over the commands' leaves.
    pub root: Hex<32>,
    /// Ed25519 over the signed bytes.
    pub signature: Hex<64>,
}

/// A record of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The log index of its entry.
    pub index: u64,
    /// Its position in its batch.
    pub position: u32,
    /// The term of its entry.
    pub term: u64,
    /// Log time, ms since the Unix epoch; never falls.
    pub time_ms: u64,
    /// Who proposed.
    pub origin: Origin,
    /// What happened.
    pub kind: String,
    /// Who asked.
    pub actor: String,
    /// To what.
    pub subject: String,
    /// `DONE`, or the code of the refusal.
    pub outcome: String,
    /// The client's key; empty for a node's own.
    pub request: String,
    /// The decision that permitted it; empty where none was needed.
    pub decision: String,
    /// The policy set of that decision; 0 where none was needed.
    pub policy_set: u64,
    /// SHA-256 of the command's bytes; zeros for Raft's own.
    pub command: Hex<32>,
    /// What else there is to know, by name.
    pub details: BTreeMap<String, String>,
    /// The hash of the record before this one; zeros for the first.
    pub previous: Hex<32>,
    /// This record's hash.
    pub hash: Hex<32>,
}

/// A node's keys. Its id is the Ed25519 key with which it signs batches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The node.
    pub node: Hex<32>,
    /// Its name.
    pub name: String,
    /// The P-256 key with which it issues credentials: an uncompressed SEC1 point.
    pub p256: Hex<65>,
}

/// A policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its text and its entities, each behind its length as eight big-endian bytes.
    pub sha256: Hex<32>,
    /// Its text.
    pub text: String,
    /// Its entities, as Cedar's JSON.
    pub entities: String,
}

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// How many record lines.
    pub records: u64,
    /// How many batch lines.
    pub batches: u64,
    /// How many key lines.
    pub keys: u64,
    /// How many policy lines.
    pub policies: u64,
    /// How many ledger lines.
    pub ledgers: u64,
    /// How many entry lines.
    pub entries: u64,
    /// How many missing lines.
    pub missing: u64,
    /// The hash of the last record.
    pub head: Hex<32>,
    /// SHA-256 of all bytes before this line.
    pub sha256: Hex<32>,
    /// The node that made the bundle.
    pub exporter: Hex<32>,
    /// Ed25519 by the exporter over everything above.
    pub signature: Hex<64>,
}

/// The id of a cluster or of a message: 16 bytes, written as a hyphenated UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(pub [u8; 16]);

/// A cluster's id.
pub use Uuid as Cluster;

/// Bytes of any number, written as lower-case hex digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// Who proposed an entry, written as hex digits or as `raft`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Raft itself.
    Raft,
    /// A node.
    Node(Hex<32>),
}

impl Line {
    /// The line, with its end.
    pub(crate) fn encode(&self) -> String {
        let mut text = serde_json::to_string(self).expect("every line has an encoding");
        text.push('\n');
        text
    }
}

impl Uuid {
    /// Reads a hyphenated UUID.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(Hex::parse(&text.replace('-', ""))?.0);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0);
        let (a, b, c, d, e) = (&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]);
        write!(formatter, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a hyphenated UUID is wanted"))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        hex::decode(text.as_bytes()).map(Self).map_err(|_| D::Error::custom("hex digits are wanted"))
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raft => serializer.serialize_str("raft"),
            Self::Node(node) => node.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        if text == "raft" {
            return Ok(Self::Raft);
        }
        Hex::parse(&text).map(Self::Node).ok_or_else(|| D::Error::custom("a node id or 'raft' is wanted"))
    }
}
