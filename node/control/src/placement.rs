//! Placement: which node each agent that wants one is given.
//!
//! [`solve`] is pure. What its plan has, each a property test:
//! - (A) with it, no node's reservations or agents exceed what it offers, unless they did before;
//! - (B) an agent is given only a node that has its tier and the labels it requires;
//! - (C) an agent whose placement is held is not moved;
//! - (D) agents are placed by priority, then by name, and among the nodes with room each is given the one that its
//!   strategy says: the most room left, the least, or the first by name; but one that only ended to be started anew goes
//!   back to the node that had it, if that has room;
//! - (F) an agent that cannot be placed has a reason for every node.
//!
//! What is committed decides which nodes have room; what nodes say of themselves by gossip only which of these is
//! preferred. It decides; `apply` checks each `Place` again against what is committed by then.

mod explain;
mod problem;
mod solve;
#[cfg(test)]
mod tests;

pub use explain::{Explanation, NodeVerdict, Verdict, explain};
pub use problem::{Health, Hints, problem};
pub use solve::{places, solve};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use symbi_model::NodeId;
use symbi_model::agent::{AgentName, Resources, Strategy, Tier};
use symbi_model::node::Membership;
use symbi_model::planted::{self, Defect};

/// What there is to place, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// Every node that is not removed.
    pub nodes: BTreeMap<NodeId, Offer>,
    /// The agents that should run and have not ended.
    pub wanted: BTreeMap<AgentName, Need>,
}

/// What is held already, by agents that should run and by others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Previous {
    /// By agent: its node, and what it reserves there.
    pub held: BTreeMap<AgentName, (NodeId, Resources)>,
}

/// What a node offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// What it offers to agents in all.
    pub allocatable: Resources,
    /// How many agents it takes.
    pub max_agents: u32,
    /// What is used on its machine, by a fresh view; none without one. It makes a node less attractive, never full.
    pub used: Option<Resources>,
    /// The tiers it has.
    pub tiers: BTreeSet<Tier>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// Why nothing may be placed on it, if so.
    pub closed: Option<Closed>,
}

/// What is committed to a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// What is reserved on it.
    pub reserved: Resources,
    /// How many agents it holds.
    pub agents: u32,
}

/// Why nothing may be placed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closed {
    /// It is not, or not yet, a member.
    NotMember(Membership),
    /// It was declared down, or is just being.
    Down,
    /// The leader has not heard it for some seconds.
    Silent,
    /// It has said that it is about to stop.
    Leaving,
}

/// What an agent needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What is reserved for it.
    pub resources: Resources,
    /// What isolates it.
    pub tier: Tier,
    /// Labels that its node must have.
    pub require: BTreeSet<String>,
    /// Which of the nodes that could take it is given it.
    pub strategy: Strategy,
    /// A higher one is placed first.
    pub priority: u16,
    /// The node that had it, where it ended only to be started anew: it goes back there if that can have it.
    pub back_to: Option<NodeId>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Agents that get a node.
    pub places: Vec<Assignment>,
    /// Agents that cannot be placed.
    pub unplaced: Vec<Unplaced>,
}

/// An agent and the node it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The agent.
    pub agent: AgentName,
    /// The node.
    pub node: NodeId,
}

/// An agent that cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplaced {
    /// The agent.
    pub agent: AgentName,
    /// Why not, for each node; shared by all agents with the same need.
    pub reasons: Arc<[(NodeId, Reason)]>,
}

/// Why an agent cannot be on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing may be placed there.
    Closed(Closed),
    /// The node has not the agent's tier.
    Tier(Tier),
    /// The node has not a label that the agent requires.
    Label(String),
    /// The node has as many agents as it takes.
    Agents {
        /// How many it takes.
        max: u32,
    },
    /// Too little memory is left.
    Memory {
        /// What the agent needs, MiB.
        needs_mb: u64,
        /// What is left, MiB.
        free_mb: u64,
    },
    /// Too little processor time is left.
    Cpu {
        /// What the agent needs, thousandths of a core.
        needs_millis: u64,
        /// What is left, thousandths of a core.
        free_millis: u64,
    },
}

impl fmt::Display for Closed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotMember(Membership::Removed) => "it was removed",
            Self::NotMember(_) => "it has not finished joining",
            Self::Down => "it is down",
            Self::Silent => "the leader has not heard it for some seconds",
            Self::Leaving => "it is about to stop",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(formatter),
            Self::Tier(tier) => write!(formatter, "it has no sandbox of tier {tier}"),
            Self::Label(label) => write!(formatter, "it has no label {label}"),
            Self::Agents { max } => write!(formatter, "it has {max} agents already, and takes no more"),
            Self::Memory { needs_mb, free_mb } => {
                let short = needs_mb.saturating_sub(*free_mb);
                write!(formatter, "memory: short by {short} MiB ({needs_mb} needed, {free_mb} free)")
            }
            Self::Cpu { needs_millis, free_millis } => {
                let short = needs_millis.saturating_sub(*free_millis);
                write!(formatter, "cpu: short by {short} millicores ({needs_millis} needed, {free_millis} free)")
            }
        }
    }
}

impl Load {
    /// With one agent more.
    #[must_use]
    pub fn and(self, resources: Resources) -> Self {
        Self { reserved: self.reserved.plus(resources), agents: self.agents.saturating_add(1) }
    }
}

impl Offer {
    /// Why an agent cannot be on this node, to which `load` is committed; none if it can.
    #[must_use]
    pub fn obstacle(&self, load: Load, need: &Need) -> Option<Reason> {
        if let Some(closed) = self.closed {
            return Some(Reason::Closed(closed));
        }
        if !self.tiers.contains(&need.tier) {
            return Some(Reason::Tier(need.tier));
        }
        if let Some(label) = need.require.iter().find(|label| !self.labels.contains(*label)) {
            return Some(Reason::Label(label.clone()));
        }
        if load.agents >= self.max_agents {
            return Some(Reason::Agents { max: self.max_agents });
        }
        let reserved = match self.used {
            Some(used) if planted::active(Defect::ViewOverReservations) => used,
            _ => load.reserved,
        };
        let free = self.allocatable.minus(reserved);
        // The sums and not what is free: on an overfull node not even an agent that needs nothing has room.
        let after = reserved.plus(need.resources);
        if after.memory_mb > self.allocatable.memory_mb {
            return Some(Reason::Memory { needs_mb: need.resources.memory_mb, free_mb: free.memory_mb });
        }
        if after.cpu_millis > self.allocatable.cpu_millis {
            return Some(Reason::Cpu { needs_millis: need.resources.cpu_millis, free_millis: free.cpu_millis });
        }
        None
    }
}
