//! What commands about agents carry.

use crate::agent::{AgentName, AgentState, Recorded};
use crate::document::Document;
use crate::hash::Hash;
use crate::ids::{AgentId, Epoch, Incarnation};
use serde::{Deserialize, Serialize};

/// An agent as whoever asks knew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aimed {
    /// Its name.
    pub name: AgentName,
    /// Its id, so that a new agent of the same name is not meant.
    pub id: AgentId,
    /// The version that its record must still have; none for whatever it has.
    pub version: Option<u64>,
    /// For the audit: who asked.
    pub actor: String,
}

/// Another spec for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateAgent {
    /// The agent, as it must be.
    pub aimed: Aimed,
    /// What is asked for now. Name and owner stay.
    pub spec: Recorded,
    /// Its document's hash under the cluster's secret.
    pub mac: Hash,
    /// For the audit: the fields that change, as `resources.memory_mb`, and never what they are.
    pub changed: Vec<String>,
}

/// What an agent is doing, as its node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The agent's name.
    pub name: AgentName,
    /// Under which epoch.
    pub epoch: Epoch,
    /// In which incarnation.
    pub incarnation: Incarnation,
    /// Which report of its node on this placement it is: they rise, so that one that was held up is told from the newest.
    pub sequence: u64,
    /// Its state.
    pub state: AgentState,
    /// Starts after the first one under this epoch.
    pub restarts: u32,
    /// Why, for people.
    pub detail: String,
    /// Process ended, gates shut, and this epoch is never started again.
    pub released: bool,
    /// What else there is to say: the document of an [`crate::agent::Account`]; none when that is nothing.
    pub account: Option<Document>,
}
