//! Agents, as they are listed and shown.

use super::spec::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::State;
use symbi_model::agent::{Agent, AgentState, Desired, Hold};

/// A line of `agent ls`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Its state, in lower case.
    pub state: String,
    /// The name of the node that holds it, or null.
    pub node: Option<String>,
    /// Its fence, or null before it was ever placed.
    pub epoch: Option<u64>,
}

/// What `agent show` tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detail {
    /// What its line tells.
    #[serde(flatten)]
    pub line: Line,
    /// What is wanted: running, stopped or removed.
    pub desired: String,
    /// What was asked for.
    pub spec: Spec,
    /// Its incarnation, once it was started.
    pub incarnation: Option<u64>,
    /// Starts after the first one under this epoch.
    pub restarts: u32,
    /// What its node last said, for people.
    pub detail: String,
    /// Notes of its users.
    pub annotations: BTreeMap<String, String>,
    /// How many writes of users have changed its record.
    pub version: u64,
    /// What its tier does and does not enforce.
    pub limits: String,
}

/// The answer to a new agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Created {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The log index of the write.
    pub index: u64,
}

/// A note's value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Annotation {
    /// The note.
    pub value: String,
}

/// The answer to any other write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Written {
    /// The log index of the write.
    pub index: u64,
}

/// The last lines an agent wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Logs {
    /// Oldest first.
    pub lines: Vec<String>,
}

/// Its line in `agent ls`.
#[must_use]
pub fn line(state: &State, agent: &Agent) -> Line {
    let held = agent.placement.filter(|placement| placement.hold == Hold::Held);
    Line {
        name: agent.spec.name.to_string(),
        id: agent.id.to_string(),
        state: shown_state(agent).to_string(),
        node: held.and_then(|placement| state.nodes.get(&placement.node)).map(|node| node.name.clone()),
        epoch: agent.placement.map(|placement| placement.epoch.0),
    }
}

/// What a node said under an older epoch is no longer true: until the new node speaks, the agent is being started.
fn shown_state(agent: &Agent) -> AgentState {
    match (&agent.status, &agent.placement) {
        (Some(status), Some(placement)) if status.epoch >= placement.epoch && placement.hold != Hold::Lost => {
            status.state
        }
        (Some(status), None) => status.state,
        (_, Some(placement)) if placement.hold == Hold::Held => AgentState::Initializing,
        _ => AgentState::Created,
    }
}

/// Everything `agent show` tells.
#[must_use]
pub fn detail(state: &State, agent: &Agent) -> Detail {
    let desired = match agent.desired {
        Desired::Running => "running",
        Desired::Stopped => "stopped",
        Desired::Removed => "removed",
    };
    let status = agent.status.as_ref();
    Detail {
        line: line(state, agent),
        desired: desired.to_owned(),
        spec: Spec::from_model(&agent.spec),
        incarnation: status.map(|status| status.incarnation.0),
        restarts: status.map_or(0, |status| status.restarts),
        detail: status.map(|status| status.detail.clone()).unwrap_or_default(),
        annotations: agent.annotations.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        version: agent.version,
        limits: "tier process: memory_mb limits the process's data; cpu_millis is a reservation only".to_owned(),
    }
}
