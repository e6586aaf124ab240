//! The last fence: what this node accepts of agents, wherever they run, by the highest instance it has seen of each.
//!
//! A frozen machine's own clock and state cannot tell it that it was replaced; only those whom it then speaks to can. So
//! every message and every answer is accepted here, local ones too, or it has no effect.

use crate::observer::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use symbi_model::agent::{AgentName, Hold};
use symbi_model::planted::{self, Defect};
use symbi_model::{Epoch, Incarnation, State};

/// An instance of an agent that was overtaken by a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fenced: epoch {epoch} was overtaken; the highest known is {highest}")]
pub struct Fenced {
    /// Its epoch.
    pub epoch: Epoch,
    /// The highest known of that agent; the same epoch if it was lost, released, or started again.
    pub highest: Epoch,
}

/// What was seen of each agent.
///
/// Invariants:
/// - what is kept of an agent never falls while the agent's record exists.
pub(crate) struct Sink {
    /// The highest instance accepted, by agent.
    highest: Mutex<BTreeMap<AgentName, (Epoch, Incarnation)>>,
    /// Told of each effect.
    observer: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Sink {
    /// A sink that has seen nothing.
    pub(crate) fn new(observer: Arc<dyn Fn(Event) + Send + Sync>) -> Self {
        Self { highest: Mutex::default(), observer }
    }

    /// Accepts an effect of `agent`, unless a later instance of it is known here or to the cluster.
    ///
    /// # Errors
    /// [`Fenced`]: the effect must not be done.
    pub(crate) fn accept(
        &self,
        state: &State,
        agent: &AgentName,
        epoch: Epoch,
        incarnation: Incarnation,
    ) -> Result<(), Fenced> {
        let mut seen = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.get(agent).copied().unwrap_or_default();
        let highest = overtaken_by(state, agent, epoch).or((known > (epoch, incarnation)).then_some(known.0));
        if let Some(highest) = highest.filter(|_| !planted::active(Defect::EpochCheck)) {
            (self.observer)(Event::SinkRefused { agent: agent.clone(), epoch, highest });
            return Err(Fenced { epoch, highest });
        }
        seen.insert(agent.clone(), known.max((epoch, incarnation)));
        // Told under the lock, so that the observer hears of effects in the order in which they were accepted.
        (self.observer)(Event::SinkAccepted { agent: agent.clone(), epoch });
        Ok(())
    }

    /// Forgets agents whose record is gone: an effect of theirs is refused for want of it.
    pub(crate) fn retain(&self, state: &State) {
        let mut seen = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|agent, _| state.agents.contains_key(agent));
    }
}

/// The epoch by which the cluster has put an end to `epoch`, if it has.
fn overtaken_by(state: &State, agent: &AgentName, epoch: Epoch) -> Option<Epoch> {
    let Some(placement) = state.agents.get(agent).and_then(|record| record.placement) else {
        return Some(epoch);
    };
    let ended = placement.epoch == epoch && placement.hold != Hold::Held;
    (placement.epoch > epoch || ended).then_some(placement.epoch)
}
