//! The agents of a run: echoes of the owner `bench`, made for it and removed after it, whatever became of it.
//!
//! Their names begin with this node's, so that a run also removes what one that was cut off with its node has left, and
//! leaves alone what other nodes' runs have made.

use super::Ports;
use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use symbi_api::error::Error;
use symbi_api::keys;
use symbi_model::agent::{ANSWER_WITHIN_MS, AgentName, AgentState, Hold, Resources, Spec};
use symbi_model::{AgentId, Command, Refusal, State};
use symbi_policy::{CreateAgent, DeleteAgent, Principal};
use symbi_sandbox::builtin::{ECHO, OWNER};
use tokio::time::timeout;

/// How many messages an echo is given before it has answered the first: no bottleneck of its own.
const IN_FLIGHT: u16 = 1024;
/// How long the agents have to run.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long the agents have to be gone.
const END_WITHIN: Duration = Duration::from_secs(30);
/// How many agents are made or removed at once.
const AT_ONCE: usize = 64;

/// Makes and removes agents.
#[derive(Clone)]
pub struct Provisioner {
    /// The rest of the node.
    ports: Ports,
    /// For whom.
    user: String,
    /// What their names begin with.
    prefix: String,
    /// How many were made.
    made: Arc<AtomicU64>,
}

impl Provisioner {
    /// Nobody yet.
    pub fn new(ports: Ports, user: String) -> Self {
        let prefix = format!("bench-{}-", ports.here.node.short().to_ascii_lowercase());
        // Unlike what an earlier run made, whose removal may still be on its way.
        let made = Arc::new(AtomicU64::new((ports.here.wall_ms)() << 8));
        Self { ports, user, prefix, made }
    }

    /// Records one agent; it must run on `node`, if one is named.
    pub async fn make(&self, node: Option<&str>) -> Result<AgentName, Error> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name: AgentName = format!("{}{number:x}", self.prefix).parse().expect("a name of letters and digits");
        let spec = Spec {
            max_in_flight: IN_FLIGHT,
            answer_within_ms: ANSWER_WITHIN_MS,
            resources: Resources { memory_mb: 1, cpu_millis: 1 },
            require: node.iter().map(|node| format!("node={node}")).collect(),
            ..Spec::new(name.clone(), OWNER, vec![ECHO.to_owned()])
        };
        let state = self.ports.here.state.borrow().clone();
        let act = CreateAgent { principal: self.principal(), spec: (&spec).into() };
        let id = AgentId(keys::uuid_v7((self.ports.here.wall_ms)().max(state.counters.log_time_ms)));
        let command = Command::create_agent(&state, id, spec, self.actor());
        self.ports.propose(&act, command).await?;
        Ok(name)
    }

    /// Records `count` agents and waits until they run.
    pub async fn provision(&self, node: Option<&str>, count: usize) -> Result<Vec<AgentName>, Error> {
        let making: Vec<_> = (0..count).map(|_| self.make(node).boxed()).collect();
        let making = futures::stream::iter(making);
        let made: Vec<_> = futures::StreamExt::collect(futures::StreamExt::buffered(making, AT_ONCE)).await;
        let names = made.into_iter().collect::<Result<Vec<_>, Error>>()?;
        let mut state = self.ports.here.state.clone();
        let all = state.wait_for(|state| names.iter().all(|name| runs(state, name)));
        match timeout(START_WITHIN, all).await {
            Ok(_) => Ok(names),
            Err(_) => Err(Error::Unavailable(format!(
                "the agents of the run do not run after {} s; see: symbi-node why agent {}",
                START_WITHIN.as_secs(),
                names.first().map_or("", AgentName::as_str)
            ))),
        }
    }

    /// Removes one agent.
    pub async fn remove(&self, name: &AgentName) -> Result<(), Error> {
        let act = DeleteAgent { principal: self.principal(), name: name.clone(), owner: OWNER.to_owned() };
        let command = Command::RemoveAgent { name: name.clone(), actor: self.actor() };
        match self.ports.propose(&act, command).await {
            Ok(_) | Err(Error::Refused(Refusal::NotFound)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes all agents of this node's runs, and waits until they are gone.
    pub async fn teardown(&self) {
        let ended = timeout(END_WITHIN, async {
            let mut asked = BTreeSet::new();
            loop {
                let left = self.left();
                if left.is_empty() {
                    return;
                }
                let new: Vec<_> = left.iter().filter(|name| !asked.contains(*name)).cloned().collect();
                let removing: Vec<_> = new.iter().map(|name| self.remove(name).boxed()).collect();
                let removing = futures::stream::iter(removing);
                let removed: Vec<_> =
                    futures::StreamExt::collect(futures::StreamExt::buffered(removing, AT_ONCE)).await;
                asked.extend(new.into_iter().zip(removed).filter(|(_, removed)| removed.is_ok()).map(|(name, _)| name));
                // What was made while this ran is seen in the next round.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        if ended.await.is_err() {
            tracing::warn!(
                left = self.left().len(),
                "agents of a bench run are not gone yet; the next run removes them"
            );
        }
    }

    /// For whom it works.
    pub fn principal(&self) -> Principal {
        Principal::User(self.user.clone())
    }

    /// How its agents' records name who made them.
    pub fn actor(&self) -> String {
        format!("user:{}", self.user)
    }

    fn left(&self) -> Vec<AgentName> {
        let state = self.ports.here.state.borrow();
        let own = |name: &&AgentName| name.as_str().starts_with(&self.prefix);
        let ours = state.agents.values().filter(|agent| agent.spec.owner == OWNER);
        ours.map(|agent| &agent.spec.name).filter(own).cloned().collect()
    }
}

/// Whether an agent is placed and runs there.
fn runs(state: &State, name: &AgentName) -> bool {
    state.agents.get(name).is_some_and(|agent| {
        let placed = agent.placement.filter(|placement| placement.hold == Hold::Held);
        let status = agent.status.as_ref().filter(|status| status.state == AgentState::Running);
        placed.zip(status).is_some_and(|(placement, status)| status.epoch == placement.epoch)
    })
}
