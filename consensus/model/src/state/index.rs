//! What follows from the tables and would take a scan to find out: who holds which placements and what they reserve,
//! which dedup rows end first, and whose each API token is. Rebuilt by `load`, never written to disk.

use crate::agent::{Agent, AgentName, Hold, Resources};
use crate::dedup::{Asker, LastWrite};
use crate::hash::Hash;
use crate::ids::{ClientId, NodeId};
use crate::token::ApiToken;
use imbl::{OrdMap, OrdSet};

/// The placements that one node holds. There is no entry for a node that holds none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// What they reserve in all.
    pub(crate) reserved: Resources,
    /// The agents.
    pub(crate) agents: OrdSet<AgentName>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Held placements, by node.
    pub(crate) held: OrdMap<NodeId, Held>,
    /// The clients with a dedup row, by the log time after which it ends.
    pub(crate) dedup_ends: OrdSet<(u64, ClientId)>,
    /// How many dedup rows each asker has. There is no entry for one who has none.
    pub(crate) dedup_shares: OrdMap<Asker, usize>,
    /// The API tokens of each user. There is no entry for one who has none.
    pub(crate) api_tokens: OrdMap<String, OrdSet<Hash>>,
}

impl Index {
    /// The index of these tables.
    pub(crate) fn of(
        agents: &OrdMap<AgentName, Agent>,
        dedup: &OrdMap<ClientId, LastWrite>,
        api_tokens: &OrdMap<Hash, ApiToken>,
    ) -> Self {
        let mut index = Self::default();
        for agent in agents.values() {
            index.add_agent(agent);
        }
        for (client, last) in dedup {
            index.add_dedup(*client, last);
        }
        for token in api_tokens.values() {
            index.add_api_token(token);
        }
        index
    }

    /// An agent's record is there now.
    pub(super) fn add_agent(&mut self, agent: &Agent) {
        let Some(node) = holder(agent) else { return };
        let held = self.held.entry(node).or_default();
        if held.agents.insert(agent.spec.name.clone()).is_none() {
            held.reserved = held.reserved.plus(reserved(agent));
        }
    }

    /// An agent's record is not there any more.
    pub(super) fn remove_agent(&mut self, agent: &Agent) {
        let Some(node) = holder(agent) else { return };
        let Some(held) = self.held.get_mut(&node) else { return };
        if held.agents.remove(&agent.spec.name).is_some() {
            held.reserved = held.reserved.minus(reserved(agent));
        }
        if held.agents.is_empty() {
            self.held.remove(&node);
        }
    }

    /// An API token is there now.
    pub(super) fn add_api_token(&mut self, token: &ApiToken) {
        self.api_tokens.entry(token.user.clone()).or_default().insert(token.hash);
    }

    /// An API token is not there any more.
    pub(super) fn remove_api_token(&mut self, token: &ApiToken) {
        let Some(hashes) = self.api_tokens.get_mut(&token.user) else { return };
        hashes.remove(&token.hash);
        if hashes.is_empty() {
            self.api_tokens.remove(&token.user);
        }
    }

    /// A client has this dedup row now.
    pub(super) fn add_dedup(&mut self, client: ClientId, last: &LastWrite) {
        self.dedup_ends.insert((last.ends_ms(client), client));
        *self.dedup_shares.entry(last.asker).or_default() += 1;
    }

    /// A client has this dedup row no more.
    pub(super) fn remove_dedup(&mut self, client: ClientId, last: &LastWrite) {
        self.dedup_ends.remove(&(last.ends_ms(client), client));
        let left = self.dedup_shares.get(&last.asker).map_or(0, |rows| rows - 1);
        match left {
            0 => drop(self.dedup_shares.remove(&last.asker)),
            left => drop(self.dedup_shares.insert(last.asker, left)),
        }
    }
}

/// The node that holds the agent's placement.
fn holder(agent: &Agent) -> Option<NodeId> {
    agent.placement.filter(|placement| placement.hold == Hold::Held).map(|placement| placement.node)
}

/// What the agent's placement reserves.
fn reserved(agent: &Agent) -> Resources {
    agent.placement.map(|placement| placement.reserved).unwrap_or_default()
}
