//! `why agent`: where an agent is, or what keeps it from each node.

use super::problem::{ended, need, offer};
use super::{Hints, Reason, Sight};
use std::fmt;
use symbi_model::agent::{Agent, AgentName, Desired, Hold};
use symbi_model::node::Membership;
use symbi_model::{NodeId, State};

/// Why an agent is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The agent.
    pub agent: AgentName,
    /// The answer, in one sentence.
    pub summary: String,
    /// Each node that is not removed, by name, and whether it could take the agent now beside what it holds.
    pub nodes: Vec<NodeVerdict>,
    /// The log index up to which this was looked at.
    pub index: u64,
}

/// Whether a node could take an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Whether it is the one that holds the agent.
    pub holds: bool,
    /// Why it could not take the agent; none if it could.
    pub reason: Option<Reason>,
}

impl fmt::Display for NodeVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.holds, &self.reason) {
            (true, _) => write!(formatter, "{}: holds it", self.name),
            (false, None) => write!(formatter, "{}: has room", self.name),
            (false, Some(reason)) => write!(formatter, "{}: {reason}", self.name),
        }
    }
}

/// Explains an agent's placement; none if there is no such agent.
#[must_use]
pub fn explain(state: &State, hints: &Hints, sight: &Sight, name: &AgentName) -> Option<Explanation> {
    let agent = state.agents.get(name)?;
    let holder = agent.placement.filter(|placement| placement.hold == Hold::Held).map(|placement| placement.node);
    let verdict = |(id, node): (&NodeId, &symbi_model::node::Node)| NodeVerdict {
        node: *id,
        name: node.name.clone(),
        holds: holder == Some(*id),
        reason: offer(*id, node, hints, sight).obstacle(state.reserved(id), need(agent)),
    };
    let present = state.nodes.iter().filter(|(_, node)| node.membership != Membership::Removed);
    let mut nodes: Vec<NodeVerdict> = present.map(verdict).collect();
    nodes.sort_by(|left, right| left.name.cmp(&right.name));
    let summary = summary(state, agent, &nodes);
    Some(Explanation { agent: name.clone(), summary, nodes, index: state.counters.applied_index })
}

fn summary(state: &State, agent: &Agent, nodes: &[NodeVerdict]) -> String {
    let name_of = |id: NodeId| state.nodes.get(&id).map_or_else(|| id.short(), |node| node.name.clone());
    if let Some(placement) = agent.placement.filter(|placement| placement.hold == Hold::Held) {
        let place =
            format!("on {} since index {} under epoch {}", name_of(placement.node), placement.index, placement.epoch);
        return match agent.desired {
            Desired::Running => format!("{place}: of the nodes with room it had the most left"),
            Desired::Stopped | Desired::Removed => format!("{place}, until that node reports that it has stopped"),
        };
    }
    match (agent.desired, agent.placement) {
        (Desired::Stopped | Desired::Removed, _) => "not placed: it is not wanted running".to_owned(),
        (Desired::Running, _) if ended(agent) => {
            "not placed: it ended, and its restart policy does not start it again".to_owned()
        }
        (Desired::Running, _) if nodes.iter().any(|node| node.reason.is_none()) => match agent.placement {
            Some(lost) => format!("not placed since {} lost it; about to be placed again", name_of(lost.node)),
            None => "about to be placed".to_owned(),
        },
        (Desired::Running, _) => "not placed: no node can take it".to_owned(),
    }
}
