//! Agents, as they are listed and shown.

use super::change::Change;
use super::spec::Spec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use symbi_model::State;
use symbi_model::agent::{Account, Agent, AgentState, Desired, Hold, Status};

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
    /// The version of the spec's document.
    pub spec_version: u16,
    /// The spec's hash under the cluster's secret: the `spec` of the audit's `agent.create`, `agent.update` and `agent.rollback`.
    pub spec_hash: String,
    /// That of the spec before the last update, which a rollback brings back; null if there is none.
    pub previous_spec_hash: Option<String>,
    /// Its incarnation, once it was started.
    pub incarnation: Option<u64>,
    /// Starts after the first one under this epoch.
    pub restarts: u32,
    /// What its node last said, for people.
    pub detail: String,
    /// How its last process ended; null while none has, or its node does not say.
    pub exit: Option<Exit>,
    /// Notes of its users.
    pub annotations: BTreeMap<String, String>,
    /// How many writes of users have changed its record.
    pub version: u64,
    /// What its tier does and does not enforce.
    pub limits: String,
    /// Whether values of its environment and of its notes are left out, since who asks may not see what is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

/// What is shown for a value that is left out.
const LEFT_OUT: &str = "(not shown)";

impl Detail {
    /// The same for somebody who may not see what is in the agent: names without values.
    #[must_use]
    pub fn without_content(mut self) -> Self {
        let values = self.spec.program.env.values_mut().chain(self.annotations.values_mut());
        values.for_each(|value| LEFT_OUT.clone_into(value));
        self.redacted = true;
        self
    }
}

/// How a process ended: neither, when it did not start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// The code with which it exited.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// The answer to an update.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Updated {
    /// The log index of the write; of the state that was looked at, where nothing was written.
    pub index: u64,
    /// The record's version.
    pub version: u64,
    /// What changes.
    pub changes: Vec<Change>,
    /// Whether it was written: a dry run is not, nor a spec that the agent has.
    pub written: bool,
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

/// What its node says of its last process.
fn exit(status: &Status) -> Option<Exit> {
    let account: Account = status.account.as_ref()?.skim().ok()?;
    account.exit.map(|exit| Exit { code: exit.code, signal: exit.signal })
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
        spec: Spec::from_recorded(&agent.spec),
        spec_version: agent.spec.document.version(),
        spec_hash: state.spec_mac(&agent.spec).to_string(),
        previous_spec_hash: agent.previous.as_ref().map(|previous| state.spec_mac(previous).to_string()),
        incarnation: status.map(|status| status.incarnation.0),
        restarts: status.map_or(0, |status| status.restarts),
        detail: status.map(|status| status.detail.clone()).unwrap_or_default(),
        exit: status.and_then(exit),
        annotations: agent.annotations.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        version: agent.version,
        limits: "tier process: memory_mb limits the process's data; cpu_millis is a reservation only".to_owned(),
        redacted: false,
    }
}
