//! How far an upgrade is: the gate that is open, and the gates that the members' programs speak.

use serde::{Deserialize, Serialize};
use symbi_model::State;
use symbi_model::node::Membership;
use symbi_policy::new_actions::Unnamed;

/// The answer to `GET /api/v1/upgrade`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upgrade {
    /// The gate that is open.
    pub gate: u32,
    /// The highest gate that every member speaks: what can be finalized.
    pub spoken: u32,
    /// Whether finalizing would open a gate.
    pub can_finalize: bool,
    /// The actions of the gate that could be opened which the current policies do not name. While there are any, it is not.
    pub unnamed: Vec<String>,
    /// Policies that would name them, to begin with.
    pub lines: Vec<String>,
    /// The members, those that speak least first.
    pub nodes: Vec<Speaker>,
}

impl Upgrade {
    /// The same, with what the current policies do not name.
    #[must_use]
    pub fn with(mut self, unnamed: Vec<Unnamed>) -> Self {
        self.can_finalize &= unnamed.is_empty();
        (self.unnamed, self.lines) = unnamed.into_iter().map(|unnamed| (unnamed.action, unnamed.line)).unzip();
        self
    }
}

/// What a member speaks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Speaker {
    /// Its name.
    pub node: String,
    /// The highest gate that its program speaks, as it said at its last start.
    pub speaks: u32,
    /// Whether it holds the next gate up.
    pub holds_up: bool,
}

/// The body of `POST /api/v1/upgrade/finalize`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finalize {
    /// The gate to open.
    pub gate: u32,
}

/// How far an upgrade is, by this state.
#[must_use]
pub fn upgrade(state: &State) -> Upgrade {
    let members: Vec<_> = state.nodes.values().filter(|node| node.membership != Membership::Removed).collect();
    let (gate, highest) = (state.counters.gate, members.iter().map(|node| node.profile.speaks).max().unwrap_or(0));
    let speaker = |node: &symbi_model::node::Node| Speaker {
        node: node.name.clone(),
        speaks: node.profile.speaks,
        holds_up: node.profile.speaks < highest,
    };
    let mut nodes: Vec<Speaker> = members.into_iter().map(speaker).collect();
    nodes.sort_by(|left, right| (left.speaks, &left.node).cmp(&(right.speaks, &right.node)));
    let spoken = nodes.first().map_or(gate, |node| node.speaks);
    Upgrade { gate, spoken, can_finalize: spoken > gate, unnamed: Vec::new(), lines: Vec::new(), nodes }
}
