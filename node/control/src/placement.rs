//! Placement: which node each agent that wants one is given.
//!
//! [`solve`] is pure. What its plan has, each a property test:
//! - (A) with it, no node's reservations exceed what it offers, unless they did before;
//! - (B) an agent is given only a node that has its tier;
//! - (C) an agent whose placement is held is not moved;
//! - (D) among the nodes with room the one with the most room left is taken (spread);
//! - (F) an agent that cannot be placed has a reason for every node.
//!
//! It decides; `apply` checks each `Place` again against what is committed by then.

mod explain;
mod problem;
mod solve;
#[cfg(test)]
mod tests;

pub use explain::{Explanation, NodeVerdict, explain};
pub use problem::{Hints, Sight, problem};
pub use solve::solve;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use symbi_model::NodeId;
use symbi_model::agent::{AgentName, Resources, Tier};
use symbi_model::node::Membership;

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
    /// What it offers to agents in all.
    pub allocatable: Resources,
    /// What it says is used on it, by a fresh view; nothing without one. It makes a node less attractive, never full.
    pub used: Resources,
    /// The tiers it has.
    pub tiers: BTreeSet<Tier>,
    /// Why nothing may be placed on it, if so.
    pub closed: Option<Closed>,
}

/// Why nothing may be placed on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closed {
    /// It is not, or not yet, a member.
    NotMember(Membership),
    /// It was condemned, or is just being.
    Down,
    /// The leader has not heard it for some seconds.
    Silent,
}

/// What an agent needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What is reserved for it.
    pub resources: Resources,
    /// What isolates it.
    pub tier: Tier,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Nothing may be placed there.
    Closed(Closed),
    /// The node has not the agent's tier.
    Tier(Tier),
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

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(Closed::NotMember(Membership::Removed)) => write!(formatter, "it was removed"),
            Self::Closed(Closed::NotMember(_)) => write!(formatter, "it has not finished joining"),
            Self::Closed(Closed::Down) => write!(formatter, "it is down"),
            Self::Closed(Closed::Silent) => write!(formatter, "the leader has not heard it for some seconds"),
            Self::Tier(tier) => write!(formatter, "it has no sandbox of tier {tier}"),
            Self::Memory { needs_mb, free_mb } => {
                write!(formatter, "memory: {needs_mb} MiB needed, {free_mb} MiB free")
            }
            Self::Cpu { needs_millis, free_millis } => {
                write!(formatter, "cpu: {needs_millis} millicores needed, {free_millis} free")
            }
        }
    }
}

impl Offer {
    /// Why an agent cannot be on this node, of which `reserved` is taken; none if it can.
    #[must_use]
    pub fn obstacle(&self, reserved: Resources, need: Need) -> Option<Reason> {
        if let Some(closed) = self.closed {
            return Some(Reason::Closed(closed));
        }
        if !self.tiers.contains(&need.tier) {
            return Some(Reason::Tier(need.tier));
        }
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
