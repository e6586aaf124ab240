//! Control: what one member asks another to do or to tell, one request and one reply each.

use super::bench::{BenchReply, BenchRequest};
use super::ledger::{Chunk, Sightings};
use super::witness::{Signed, Witnessed};
use super::{FRAME_BYTES, coded};
use crate::session::Kind;
use serde::{Deserialize, Serialize};
use std::fmt;
use symbi_model::agent::AgentName;
use symbi_model::codec::blob;
use symbi_model::ledger::Anchor;
use symbi_model::policy::PermitRef;
use symbi_model::{Claim, DecisionId, GroupId, MessageId, NodeId, Outcome, gate};

/// What a reply takes beside the lines of a log.
const LOG_AROUND: usize = 64;
/// What a line takes beside its text.
const LINE_AROUND: usize = 9;

/// A request to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRequest {
    /// To a group's leader: propose this batch of mine.
    Forward {
        /// The group.
        group: GroupId,
        /// The encoded batch.
        #[serde(with = "blob")]
        batch: Vec<u8>,
    },
    /// To a group's leader: confirm that you lead, and up to where is everything committed.
    ReadIndex {
        /// The group.
        group: GroupId,
    },
    /// To the leader: grant me the right to act.
    Grant {
        /// The asking node's boot count.
        boot: u64,
        /// How far its ledger has come; none if nothing is new since the last anchor that it knows to be agreed on.
        anchor: Option<Anchor>,
    },
    /// What does your clock show?
    Clock,
    /// Do you know this verdict of yours?
    Decision {
        /// Its id.
        id: DecisionId,
    },
    /// What did this agent write last, on your node?
    Logs {
        /// The agent.
        agent: AgentName,
        /// How many lines at most.
        lines: u32,
    },
    /// Send this message as your agent, on behalf of a user of mine. The agent's node judges whether the user may. It comes on a
    /// lane of its own: an answer may take as long as an agent takes.
    AskFrom {
        /// The agent that speaks.
        from: AgentName,
        /// The agent it speaks to.
        to: AgentName,
        /// `Ask` or `Tell`.
        kind: Kind,
        /// Compact JSON.
        #[serde(with = "blob")]
        payload: Vec<u8>,
        /// For how long an answer is awaited, ms.
        timeout_ms: u64,
        /// On whose behalf.
        user: String,
        /// The decision by which the user may, as the asking node has judged.
        permit: PermitRef,
    },
    /// Is this node a member, at or after this index?
    Vouched {
        /// The node.
        peer: NodeId,
        /// The log index.
        index: u64,
    },
    /// To the leader: why is this agent where it is, or nowhere?
    WhyAgent {
        /// The agent.
        agent: AgentName,
    },
    /// What does your ledger say from this line on?
    Ledger {
        /// The line.
        from: u64,
    },
    /// What does your ledger know of messages whose ids begin so?
    Message {
        /// A UUID as it is written, or its beginning.
        prefix: String,
    },
    /// Be the sink of my bench.
    Bench(BenchRequest),
    /// Which decisions of yours do you know, from one id to another?
    Decisions {
        /// The first.
        low: DecisionId,
        /// The last.
        high: DecisionId,
    },
    /// I have signed these checkpoints.
    Witness(Vec<Signed>),
    /// Which hops of fewer than so many records do you know, the latest first, and what is the last checkpoint that was witnessed?
    Witnessed {
        /// How many records.
        before: u64,
    },
    /// To the leader: I do not vote, and my own replica has closed this checkpoint.
    Closed {
        /// What a voter would sign of it; none if it has closed none since its last snapshot, or lacks records of it.
        claim: Option<Claim>,
    },
    /// The next gate's: do you speak it? Sent by builds for tests only.
    Hail,
}

impl ControlRequest {
    /// The gate that brought it: a program that does not speak it cannot read the request.
    #[must_use]
    pub fn gate(&self) -> u32 {
        match self {
            Self::Hail => gate::NEXT,
            Self::Forward { .. }
            | Self::ReadIndex { .. }
            | Self::Grant { .. }
            | Self::Clock
            | Self::Decision { .. }
            | Self::Logs { .. }
            | Self::AskFrom { .. }
            | Self::Vouched { .. }
            | Self::WhyAgent { .. }
            | Self::Ledger { .. }
            | Self::Message { .. }
            | Self::Bench(_)
            | Self::Decisions { .. }
            | Self::Witness(_)
            | Self::Witnessed { .. }
            | Self::Closed { .. } => gate::FIRST,
        }
    }
}

/// What a member replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlReply {
    /// The forwarded batch was applied.
    Committed {
        /// Its log index.
        index: u64,
        /// Its term.
        term: u64,
        /// What became of each command.
        outcomes: Vec<Outcome>,
    },
    /// The node does not lead: nothing was done.
    NotLeader {
        /// Who does, as far as it knows.
        leader: Option<NodeId>,
    },
    /// Nobody knows whether the batch will be applied.
    Unknown,
    /// The batch's time is too far from the leader's clock: nothing was done.
    ClockSkew {
        /// How far the batch's time is ahead, ms.
        ms: i64,
    },
    /// The node leads; everything committed before it was asked has at most this index.
    ReadIndex {
        /// Its term.
        term: u64,
        /// The index.
        index: u64,
    },
    /// The right to act.
    Grant {
        /// The term of the leader that grants.
        term: u64,
        /// The asking node must have applied this index to act.
        read_index: u64,
    },
    /// No grant: the asking node is condemned.
    Condemned,
    /// The node's clock.
    Clock {
        /// Ms since the Unix epoch.
        wall_ms: u64,
    },
    /// The encoded account of a verdict; none when nothing is known of it (any more).
    Decision(Option<Vec<u8>>),
    /// The last lines; none when the agent does not run on this node.
    Logs(Option<LogTail>),
    /// How the message ended.
    Ended {
        /// The message's id.
        message: MessageId,
        /// Its ending.
        ending: Ending,
    },
    /// Whether the node is a member, by the answering node's table at or after the index; false also when it is behind.
    Vouched(bool),
    /// Why an agent is where it is: what is said of each node, by the node's name.
    WhyAgent(Vec<(String, String)>),
    /// The request could not be carried out, and changed nothing.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// Lines of the node's ledger.
    Ledger(Box<Chunk>),
    /// What the node's ledger knows of the messages.
    Message(Sightings),
    /// What the bench's sink says.
    Bench(BenchReply),
    /// The decisions that the node knows.
    Decisions {
        /// Their ids, in order.
        ids: Vec<DecisionId>,
        /// Whether there may be more.
        more: bool,
    },
    /// The node does not know such a request: its version is older, or the bytes are none. Nothing was done.
    Unsupported,
    /// The signatures, or the claim, came to whoever looks at them.
    Heard,
    /// Hops, the latest first, as many as a frame takes, and behind them the last checkpoint that was witnessed.
    Witnessed(Vec<Witnessed>),
}

/// The last lines of an agent's log, as many as one frame takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// The lines, the last one last.
    pub lines: Vec<String>,
    /// How many before them were asked for and left out.
    pub left_out: u64,
}

impl LogTail {
    /// Of these lines, the last that one frame takes.
    #[must_use]
    pub fn of(mut lines: Vec<String>) -> Self {
        let mut room = FRAME_BYTES - LOG_AROUND;
        let fits = |line: &&String| {
            let bytes = line.len() + LINE_AROUND;
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        let left_out = lines.len() - lines.iter().rev().take_while(fits).count();
        lines.drain(..left_out);
        Self { lines, left_out: left_out as u64 }
    }

    /// The lines, behind one that says how many are left out, if any are.
    #[must_use]
    pub fn told(self) -> Vec<String> {
        let Self { mut lines, left_out } = self;
        if left_out > 0 {
            let told =
                format!("[{left_out} older lines are left out: another node's log is told at most 1 MiB at a time]");
            lines.insert(0, told);
        }
        lines
    }
}

/// How a message ended for who sent it: exactly one of five for an `ask`, one of four for a `tell`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The receiver's answer, compact JSON; empty for a `tell` that is in its mailbox.
    Answer(#[serde(with = "blob")] Vec<u8>),
    /// A policy did not allow it, on the sender's side or on the receiver's.
    Denied {
        /// The verdict, for `why decision`.
        decision: DecisionId,
        /// Why, for people.
        reason: String,
    },
    /// The receiver certainly was not given it.
    NotDelivered {
        /// Why, for people.
        reason: String,
    },
    /// The time was up, and the receiver has not answered.
    DeadlineExceeded {
        /// Whether the receiver was given it.
        delivered: bool,
    },
    /// It may or may not have been processed, and no answer will come.
    OutcomeUnknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(_) => formatter.write_str("answered"),
            Self::Denied { decision, reason } => write!(formatter, "denied by {decision}: {reason}"),
            Self::NotDelivered { reason } => write!(formatter, "not delivered: {reason}"),
            Self::DeadlineExceeded { delivered: true } => formatter.write_str("delivered, not answered in time"),
            Self::DeadlineExceeded { delivered: false } => formatter.write_str("not delivered in time"),
            Self::OutcomeUnknown => formatter.write_str("its outcome is unknown"),
        }
    }
}

coded!(ControlRequest, FRAME_BYTES);
coded!(ControlReply, FRAME_BYTES);
