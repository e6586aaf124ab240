//! `why agent`: where an agent is, or what keeps it from each node.

use super::problem::{need, offers};
use super::{Health, Hints, Load, Offer, Reason};
use std::fmt;
use symbi_model::agent::{Agent, AgentName, Desired, Hold, Resources, Strategy};
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
    /// What speaks for or against it.
    pub verdict: Verdict,
}

/// What speaks for or against a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds the agent.
    Holds,
    /// It would take the agent.
    Free {
        /// What is left of what it offers.
        free: Resources,
        /// How many agents it holds.
        agents: u32,
        /// How many it takes.
        max_agents: u32,
    },
    /// It could not take the agent.
    Not(Reason),
}

impl fmt::Display for NodeVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.verdict)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => formatter.write_str("holds it"),
            Self::Free { free, agents, max_agents } => {
                let Resources { memory_mb, cpu_millis } = free;
                write!(formatter, "would take it: {memory_mb} MiB and {cpu_millis} millicores free, ")?;
                write!(formatter, "{agents} of {max_agents} agents")
            }
            Self::Not(reason) => reason.fmt(formatter),
        }
    }
}

/// Explains an agent's placement; none if there is no such agent.
#[must_use]
pub fn explain(state: &State, hints: &Hints, health: &Health, name: &AgentName) -> Option<Explanation> {
    let agent = state.agents.get(name)?;
    let holder = agent.placement.filter(|placement| placement.hold == Hold::Held).map(|placement| placement.node);
    let need = need(agent);
    let judge = |(id, offer): (NodeId, Offer)| {
        let agents = u32::try_from(state.held_count(&id)).unwrap_or(u32::MAX);
        let load = Load { reserved: state.reserved(&id), agents };
        let verdict = match offer.obstacle(load, &need) {
            _ if holder == Some(id) => Verdict::Holds,
            Some(reason) => Verdict::Not(reason),
            None => {
                let free = offer.allocatable.minus(load.reserved);
                Verdict::Free { free, agents, max_agents: offer.max_agents }
            }
        };
        NodeVerdict { node: id, name: offer.name, verdict }
    };
    let mut nodes: Vec<NodeVerdict> = offers(state, hints, health).into_iter().map(judge).collect();
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
            Desired::Running if placement.ends => {
                format!("{place}, until that node has ended it; then it is started anew")
            }
            Desired::Running => format!("{place}: {}", why(agent.spec.strategy)),
            Desired::Stopped | Desired::Removed => format!("{place}, until that node reports that it has stopped"),
        };
    }
    match (agent.desired, agent.placement) {
        (Desired::Stopped | Desired::Removed, _) => "not placed: it is not wanted running".to_owned(),
        (Desired::Running, _) if agent.has_ended() => {
            "not placed: it ended, and its restart policy does not start it again".to_owned()
        }
        (Desired::Running, _) if nodes.iter().any(|node| matches!(node.verdict, Verdict::Free { .. })) => {
            match agent.placement {
                Some(ended) if ended.ends => "about to be placed anew".to_owned(),
                Some(last) if last.hold == Hold::Released => {
                    format!("not placed since {} has released it; about to be placed again", name_of(last.node))
                }
                Some(lost) => format!("not placed since {} lost it; about to be placed again", name_of(lost.node)),
                None => "about to be placed".to_owned(),
            }
        }
        (Desired::Running, _) => "not placed: no node can take it".to_owned(),
    }
}

/// Why a strategy takes the node that it takes.
fn why(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Spread => "of the nodes that could take it, spread takes the one with the most room left",
        Strategy::BestFit => "of the nodes that could take it, best-fit takes the one with the least room left",
        Strategy::FirstFit => "of the nodes that could take it, first-fit takes the first by name",
    }
}
