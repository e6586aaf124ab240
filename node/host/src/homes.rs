//! The directories that agents have here, and their removal once the agents are gone from the state, whether this node ran at
//! that moment or not.
//!
//! An agent that is placed elsewhere keeps its directory: it may come back. Not here: where a directory is, and what is in it.

use crate::host::Host;
use std::collections::BTreeSet;
use std::sync::Arc;
use symbi_model::agent::AgentName;
use symbi_model::{AgentId, State};
use symbi_sandbox::driver::Home;
use tokio::task::JoinSet;

/// The directories of this node.
///
/// Invariants:
/// - none is removed but by a state that has come as far as a leader has said since this boot: an older one does not know of
///   agents that ran here;
/// - none is removed while something of its agent runs.
#[derive(Default)]
pub(crate) struct Homes {
    /// Whose there are.
    known: BTreeSet<(AgentName, AgentId)>,
    /// Removes some of them; one task at a time.
    removal: JoinSet<()>,
}

impl Homes {
    /// Those that an earlier start of this node has left.
    pub(crate) async fn list(host: &Host) -> Self {
        let homes = host.ports.driver.homes().await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot list agents' directories; those of removed agents stay until the next start");
            Vec::new()
        });
        let whose = |Home { agent, id }: Home| Some((agent.parse().ok()?, id.parse().ok()?));
        Self { known: homes.into_iter().filter_map(whose).collect(), removal: JoinSet::new() }
    }

    /// Takes note that an agent is started here.
    pub(crate) fn add(&mut self, agent: &AgentName, id: AgentId) {
        self.known.insert((agent.clone(), id));
    }

    /// Removes those of agents that `state`, which is as new as the invariant says, no longer has, but for agents that still run.
    pub(crate) fn remove_unknown(
        &mut self,
        host: &Arc<Host>,
        state: &State,
        runs: impl Fn(&AgentName, AgentId) -> bool,
    ) {
        while self.removal.try_join_next().is_some() {}
        if !self.removal.is_empty() {
            return;
        }
        let is_recorded = |name: &AgentName, id| state.agents.get(name).is_some_and(|agent| agent.id == id);
        let gone: Vec<_> =
            self.known.extract_if(.., |(name, id)| !is_recorded(name, *id) && !runs(name, *id)).collect();
        if gone.is_empty() {
            return;
        }
        let driver = Arc::clone(&host.ports.driver);
        self.removal.spawn(async move {
            for (name, id) in gone {
                if let Err(error) = driver.remove_home(Home { agent: name.to_string(), id: id.to_string() }).await {
                    tracing::warn!(agent = %name, %id, %error, "the directory of a removed agent stays until the next start");
                }
            }
        });
    }
}
