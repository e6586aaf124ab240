//! A message before it leaves, where it goes, and what allowed it: what the ways out of a node have in common.

use std::sync::Arc;
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::ledger::OnBehalf;
use symbi_model::policy::PermitRef;
use symbi_model::{DecisionId, Epoch, MessageId, NodeId};
use symbi_policy::{Ask, Permit, Tell};
use symbi_proto::session::Kind;
use tokio::time::Instant;

/// The longest payload, as compact JSON.
pub const PAYLOAD_BYTES: usize = 1 << 20;
/// How long an acknowledged `tell` may wait in a mailbox.
pub const TELL_LIFE: Duration = Duration::from_secs(300);
/// No message waits longer than this.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long after the deadline the receiver's node may still say how a message ended.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Whose words an agent is to say, and on which member's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behalf {
    /// The user.
    pub user: String,
    /// The member that has authenticated the user; this node, if the user has asked it.
    pub member: NodeId,
    /// That member's decision.
    pub permit: PermitRef,
}

/// A message before it leaves.
pub(crate) struct Envelope {
    /// Its id.
    pub(crate) message: MessageId,
    /// `Ask` or `Tell`.
    pub(crate) kind: Kind,
    /// For whom a gateway sends it; empty for an agent.
    pub(crate) user: String,
    /// Whose words an agent says with it, if they are not its own.
    pub(crate) behalf: Option<Arc<Behalf>>,
    /// The receiver.
    pub(crate) to: AgentName,
    /// Compact JSON.
    pub(crate) payload: Vec<u8>,
    /// When the sender stops waiting.
    pub(crate) deadline: Instant,
    /// The same by this node's wall clock.
    pub(crate) deadline_ms: u64,
    /// What allowed it to leave, once it does.
    pub(crate) decision: Option<DecisionId>,
    /// The same as `behalf`, once it was judged for that user.
    pub(crate) on_behalf: Option<Box<OnBehalf>>,
}

impl Envelope {
    /// How long its sender still waits.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Where a message goes, by the replicated state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The receiver's node.
    pub(crate) node: NodeId,
    /// The epoch under which it runs there.
    pub(crate) epoch: Epoch,
}

/// Proof that a message may be sent; used up by sending it.
pub(crate) enum SendPermit {
    /// For an `ask`.
    Ask(Permit<Ask>),
    /// For a `tell`.
    Tell(Permit<Tell>),
}

impl SendPermit {
    /// The verdict that the effect is done under, and its policy set.
    pub(crate) fn reference(&self) -> PermitRef {
        match self {
            Self::Ask(permit) => permit.reference(),
            Self::Tell(permit) => permit.reference(),
        }
    }
}

/// What was asked before a message leaves.
pub(crate) struct Cleared {
    /// That it may be sent.
    pub(crate) permit: SendPermit,
    /// Whose words it has, if they are not the agent's own: judged for that user, too.
    pub(crate) on_behalf: Option<Box<OnBehalf>>,
    /// Where to.
    pub(crate) route: Route,
}

/// When a delivery is no longer worth handing over, for a sender that waits until `deadline`.
pub(crate) fn delivery_deadline(kind: Kind, deadline: Instant) -> Instant {
    match kind {
        Kind::Tell => deadline.max(Instant::now() + TELL_LIFE),
        Kind::Ask | Kind::Answer => deadline,
    }
}
