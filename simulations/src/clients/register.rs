//! A client that reads and writes a few keys that it shares with all others, through the node that it is at: an agent's
//! annotations, with linearizable reads. It has one operation under way.
//!
//! A write whose fate is not known is sent again under the same request id, or given up: then it may still take effect.

use crate::clients::{admin, commands};
use crate::setup::Setup;
use crate::trace::Event;
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::Duration;
use symbi_api::read::{self, Freshness};
use symbi_model::agent::AgentName;
use symbi_model::ids::RequestId;
use symbi_model::{ClientId, Command, Outcome, Refusal};
use symbi_server::node::Node;
use tokio::time::sleep;

/// The agent whose annotations the keys are. No other client writes them.
const AGENT: &str = "echo-1";
/// Between two operations, ms.
const PAUSE_MS: std::ops::Range<u64> = 50..350;
/// Between two attempts at a write, ms.
const AGAIN_MS: std::ops::Range<u64> = 20..100;

/// One client, in one of its node's lives.
struct Client {
    /// Which, of all in the run.
    name: String,
    /// The agent whose annotations the keys are.
    agent: AgentName,
    /// The node that it is at.
    node: Arc<Node>,
    /// Where everything is told.
    setup: Arc<Setup>,
    /// From which everything is drawn.
    random: StdRng,
    /// Who it is to the cluster.
    id: ClientId,
    /// How many writes it has made.
    writes: u64,
}

/// Reads and writes until the run is quiet; `which` tells a node's clients apart.
pub async fn run(node: Arc<Node>, setup: Arc<Setup>, which: usize, random: StdRng) {
    let agent: AgentName = AGENT.parse().expect("agents have good names");
    if node.raft.state().wait_for(|state| state.agents.contains_key(&agent)).await.is_err() {
        return;
    }
    let name = format!("{}.{}.{which}", setup.name, setup.files().boot);
    let id = admin::client(&node);
    let mut client = Client { name, agent, node, setup, random, id, writes: 0 };
    while !client.setup.shared.quiet() {
        let key = client.setup.shared.keys.following();
        if client.random.random_ratio(2, 5) {
            client.write(key).await;
        } else {
            client.read(key).await;
        }
        sleep(Duration::from_millis(client.random.random_range(PAUSE_MS))).await;
    }
}

impl Client {
    fn tell(&self, event: Event) {
        self.setup.recorder.tell(&self.setup.name, event);
    }

    async fn read(&self, key: String) {
        let client = self.name.clone();
        self.tell(Event::Called { client: client.clone(), key: key.clone(), writes: None });
        match read::state(&self.node.api, &Freshness::default()).await {
            Ok(state) => match state.agents.get(&self.agent) {
                Some(agent) => self.tell(Event::Saw { client, value: agent.annotations.get(&key).cloned() }),
                None => self.tell(Event::Wrong(format!("{client} read a state without {}", self.agent))),
            },
            Err(error) => self.tell(Event::Unsure { client, why: error.to_string() }),
        }
    }

    async fn write(&mut self, key: String) {
        self.writes += 1;
        let (client, value) = (self.name.clone(), format!("{}.{}", self.name, self.writes));
        let request = RequestId { client: self.id, sequence: self.writes };
        self.tell(Event::Called { client: client.clone(), key: key.clone(), writes: Some(value.clone()) });
        let command = Command::Annotate { name: self.agent.clone(), key, value, actor: "user:admin".to_owned() };
        loop {
            let why = match commands::attempt(&self.node, &command, request).await {
                Ok(Outcome::Refused(Refusal::PolicyMoved { current })) => format!("the policies moved to {current}"),
                Ok(Outcome::Refused(refusal)) => {
                    return self.tell(Event::Wrong(format!("a write of {client} was refused: {refusal}")));
                }
                Ok(_) => return self.tell(Event::Wrote { client }),
                Err(why) => why,
            };
            self.tell(Event::Unsure { client: client.clone(), why });
            if self.random.random_ratio(1, 4) || self.setup.shared.quiet() {
                // As this client it would be too old when the next write has come before it.
                self.id = admin::client(&self.node);
                return;
            }
            sleep(Duration::from_millis(self.random.random_range(AGAIN_MS))).await;
        }
    }
}
