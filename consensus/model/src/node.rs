//! A node's record, kept for ever: a removed node's key still verifies what it signed.

use crate::agent::{Resources, Tier};
use crate::document::{Document, Form};
use crate::gate;
use crate::ids::TokenId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The longest node name, in bytes.
pub const NAME_BYTES: usize = 63;
/// The length of a P-256 public key as an uncompressed SEC1 point.
pub const CREDENTIAL_KEY_BYTES: usize = 65;
/// The most labels of a node, of an agent, or that an agent requires.
pub const LABELS: usize = 64;
/// The longest label, in bytes.
pub const LABEL_BYTES: usize = 128;
/// The longest document of a profile, in bytes.
pub const ABOUT_BYTES: usize = 4096;
/// How many agents a node takes that does not say.
pub const MAX_AGENTS: u32 = 10_000;

/// Whether `label` can be one: printable ASCII without spaces, such as `gpu` or `zone=a`.
#[must_use]
pub fn valid_label(label: &str) -> bool {
    (1..=LABEL_BYTES).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether these labels are valid, and not too many.
#[must_use]
pub fn valid_labels(labels: &BTreeSet<String>) -> bool {
    labels.len() <= LABELS && labels.iter().all(|label| valid_label(label))
}

/// Whether `name` can be a node's: a DNS label (RFC 1123).
#[must_use]
pub fn valid_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// How far a node's membership has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Membership {
    /// Enrolled, not yet caught up.
    Joining,
    /// A member.
    Member,
    /// Removed: a tombstone. Its id is never used again.
    Removed,
}

/// Whether the leader hears a node, and may place agents on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Liveness {
    /// It asks for grants.
    Up,
    /// It was condemned: it is granted nothing and nothing is placed on it until `NodeUp`.
    Down,
    /// It has said that it is about to stop: it asks for grants as long as it runs agents, and nothing is placed on it until it
    /// introduces itself again.
    Leaving,
}

/// What a node says of itself when it enrols, and again at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Where other nodes reach it.
    pub addr: SocketAddr,
    /// Its P-256 public key, with which it issues credentials: 65 bytes, uncompressed SEC1 point.
    pub credential_key: Vec<u8>,
    /// What it offers to agents.
    pub allocatable: Resources,
    /// How many agents it takes.
    pub max_agents: u32,
    /// Words that specs may require and policies may look at, such as `gpu` or `zone=a`.
    pub labels: BTreeSet<String>,
    /// What it can isolate agents with.
    pub tiers: BTreeSet<Tier>,
    /// The highest gate that its program speaks.
    pub speaks: u32,
    /// What else there is to say: the document of an [`About`].
    pub about: Document,
}

/// What a node says of itself beside what `apply`, placement and the network read: a document, which may grow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its program's version.
    pub program: String,
}

impl Form for About {
    const NAME: &'static str = "profile";

    fn version(&self) -> u16 {
        1
    }
}

impl About {
    /// What this program says.
    #[must_use]
    pub fn here() -> Self {
        Self { program: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

impl Profile {
    /// A node without labels that runs agents as processes, as many as [`MAX_AGENTS`].
    #[must_use]
    pub fn plain(addr: SocketAddr, credential_key: Vec<u8>, allocatable: Resources) -> Self {
        Self {
            addr,
            credential_key,
            allocatable,
            max_agents: MAX_AGENTS,
            labels: BTreeSet::new(),
            tiers: BTreeSet::from([Tier::Process]),
            speaks: gate::spoken(),
            about: Document::of(&About::here()),
        }
    }
}

/// A node's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its label, unique among nodes that are not removed.
    pub name: String,
    /// What it said of itself.
    pub profile: Profile,
    /// How far its membership has come.
    pub membership: Membership,
    /// Whether the leader hears it.
    pub liveness: Liveness,
    /// The token that let it in; none for the node that bootstrapped.
    pub token: Option<TokenId>,
    /// The log index that enrolled it.
    pub enrolled_at: u64,
    /// The log time of its enrolment, ms since the Unix epoch.
    pub enrolled_ms: u64,
}
