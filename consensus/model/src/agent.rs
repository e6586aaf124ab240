//! An agent as the cluster knows it: what was asked for, where it is placed, what its node last said of it.

mod account;
mod shared;
mod spec;

pub use account::{Account, Exit};
pub use spec::{Recorded, Spec};

use crate::document::Document;
use crate::ids::{AgentId, Epoch, Incarnation, NodeId, ParseError};
use imbl::OrdMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest agent name, in bytes.
pub const NAME_BYTES: usize = 63;
/// The longest document of a spec, in bytes.
pub const SPEC_BYTES: usize = 64 * 1024;
/// The longest owner, in bytes.
pub const OWNER_BYTES: usize = 128;
/// The most that one agent can reserve: so that sums of reservations stay far from overflow.
pub const RESOURCES: Resources = Resources { memory_mb: 1 << 40, cpu_millis: 1 << 40 };
/// For how long an agent may leave messages unanswered whose spec does not say, ms.
pub const ANSWER_WITHIN_MS: u64 = 60_000;
/// The longest detail of a report, in bytes, and the longest document of one.
pub const DETAIL_BYTES: usize = 4096;
/// The longest annotation key, in bytes.
pub const ANNOTATION_KEY_BYTES: usize = 63;
/// The longest annotation value, in bytes.
pub const ANNOTATION_BYTES: usize = 4096;
/// The most annotations of one agent.
pub const ANNOTATIONS: usize = 64;

/// An agent's name: a DNS label (RFC 1123), unique in the cluster. Shared, because it is the key of every tree of agents.
///
/// Decoding does not check it: an entry of the log must be readable for ever. `apply` does, at the agent's creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(Arc<str>);

impl AgentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgentName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = !text.is_empty()
            && text.len() <= NAME_BYTES
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.starts_with("gateway-");
        if valid {
            return Ok(Self(text.into()));
        }
        Err(ParseError {
            kind: "agent name (a-z, 0-9 and '-', at most 63, not starting with 'gateway-')",
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for AgentName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AgentName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self(name.into()))
    }
}

/// What isolates an agent from its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// A process of the node's own user.
    Process,
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => formatter.write_str("process"),
        }
    }
}

/// When an agent that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Whatever its end was.
    Always,
    /// When it ended with an error.
    OnFailure,
    /// Never.
    Never,
}

/// Which of the nodes that could take an agent is given it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one with the most room left (worst fit).
    #[default]
    Spread,
    /// The one with the least room left that suffices.
    BestFit,
    /// The first by name.
    FirstFit,
}

impl fmt::Display for Strategy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Spread => "spread",
            Self::BestFit => "best-fit",
            Self::FirstFit => "first-fit",
        })
    }
}

/// Memory and processor time, as reserved by a spec or offered by a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resources {
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Processor time in thousandths of a core.
    pub cpu_millis: u64,
}

impl Resources {
    /// Both together; at the highest number where they would pass it.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
        }
    }

    /// This without `other`; zero where there would be less.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.saturating_sub(other.memory_mb),
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
        }
    }

    /// Whether each is at most that of `room`.
    #[must_use]
    pub fn fits(self, room: Self) -> bool {
        self.memory_mb <= room.memory_mb && self.cpu_millis <= room.cpu_millis
    }
}

/// What the cluster wants of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Desired {
    /// It should run.
    Running,
    /// It should not run; its record stays.
    Stopped,
    /// It should not run, and its record goes once its placement is released or lost.
    Removed,
}

/// Whether a placement's epoch may still act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hold {
    /// The node holds it.
    Held,
    /// The node was condemned while it held it: its grants have ended.
    Lost,
    /// The node reported, under this epoch, the process ended and the gates shut; it never starts this epoch again.
    Released,
}

/// Where an agent is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The node.
    pub node: NodeId,
    /// The fence.
    pub epoch: Epoch,
    /// The log index of the `Place`.
    pub index: u64,
    /// Whether it may still act.
    pub hold: Hold,
    /// What it reserves while it is held: what the spec asked for by which it was placed, whatever the spec asks for by now.
    pub reserved: Resources,
    /// Whether it is to end, so that the agent is started anew under another epoch: its node ends the process and releases it.
    pub ends: bool,
}

impl Placement {
    /// One that its node holds, as a `Place` at this index gives it.
    #[must_use]
    pub fn held(node: NodeId, epoch: Epoch, index: u64, reserved: Resources) -> Self {
        Self { node, epoch, index, hold: Hold::Held, reserved, ends: false }
    }

    /// Whether its node holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.hold == Hold::Held
    }
}

/// The lifecycle's states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AgentState {
    /// Recorded, not placed or not yet started.
    Created,
    /// The process is being started.
    Initializing,
    /// The process has answered `initialize` and awaits its first message.
    Ready,
    /// It runs.
    Running,
    /// It ended and waits for its restart.
    Waiting,
    /// Its gates are shut, because its node has no grant.
    Suspended,
    /// It ended without error and is not started again.
    Completed,
    /// It ended with an error and is not started again.
    Failed,
    /// It is being stopped.
    Terminating,
    /// It was stopped.
    Terminated,
}

impl fmt::Display for AgentState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Initializing => "initializing",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        })
    }
}

/// What a node last said of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its state.
    pub state: AgentState,
    /// Under which epoch.
    pub epoch: Epoch,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// Which report of its node on this placement that was.
    pub sequence: u64,
    /// Starts after the first one under this epoch.
    pub restarts: u32,
    /// Why, for people; empty when there is nothing to say.
    pub detail: String,
    /// What else there is to say: the document of an [`Account`]; none when that is nothing.
    pub account: Option<Document>,
}

/// An agent's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// What was asked for; shared, because a record is copied with each change of its neighbours in the tree.
    #[serde(with = "shared")]
    pub spec: Arc<Recorded>,
    /// What was asked for before, which a rollback brings back; none before the first update.
    #[serde(with = "shared::optional")]
    pub previous: Option<Arc<Recorded>>,
    /// What is wanted now.
    pub desired: Desired,
    /// Where it is, if it was ever placed.
    pub placement: Option<Placement>,
    /// What its node last said.
    pub status: Option<Status>,
    /// Notes of its users.
    pub annotations: OrdMap<String, String>,
    /// How many writes of users have changed this record, its creation included.
    pub version: u64,
    /// The log index that created it.
    pub created_at: u64,
}

impl Agent {
    /// A new record: wanted running, nowhere yet.
    #[must_use]
    pub fn new(id: AgentId, spec: impl Into<Arc<Recorded>>, created_at: u64) -> Self {
        Self {
            id,
            spec: spec.into(),
            previous: None,
            desired: Desired::Running,
            placement: None,
            status: None,
            annotations: OrdMap::new(),
            version: 1,
            created_at,
        }
    }

    /// Whether a node holds its placement.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.placement.is_some_and(|placement| placement.is_held())
    }

    /// Whether its node has said, under its last epoch, that it ended by its own restart policy and is not started again.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let Some(status) = &self.status else { return false };
        let last = self.placement.map(|placement| placement.epoch);
        last == Some(status.epoch) && matches!(status.state, AgentState::Completed | AgentState::Failed)
    }
}
