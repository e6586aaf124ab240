//! A small cluster for the tests: three nodes, agents of two owners, a policy set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use symbi_model::agent::{Agent, Placement, Recorded, Resources, Spec};
use symbi_model::node::{Liveness, Membership, Node, Profile};
use symbi_model::policy::{NO_ENTITIES, PolicySet};
use symbi_model::state::Cluster;
use symbi_model::{AgentId, ClusterId, Epoch, Hash, NodeId, PolicyNumber, State};
use symbi_policy::{AgentRef, Clocks, Gate, Options, Principal};

/// The time at which every test begins.
pub const NOW_MS: u64 = 1_800_000_000_000;

/// The nth node's id.
pub fn node_id(n: u8) -> NodeId {
    NodeId([n; 32])
}

/// A cluster without agents and nodes, under the policies `text`.
pub fn cluster(text: &str) -> State {
    let mut state = State::default();
    state.cluster = Some(Cluster {
        id: ClusterId(uuid::Uuid::from_u128(7)),
        name: "symbi".to_owned(),
        domain: "symbi.symbi.internal".to_owned(),
        anchor: Hash::default(),
        generation: 1,
        secret: symbi_model::secret::Secret([7; 32]),
    });
    state.counters.applied_index = 100;
    state.counters.log_time_ms = NOW_MS;
    apply_policies(&mut state, 1, text);
    state
}

/// Makes `text` the current set.
pub fn apply_policies(state: &mut State, number: u64, text: &str) {
    let number = PolicyNumber(number);
    let (text, entities, actor) = (text.to_owned(), NO_ENTITIES.to_owned(), "user:admin".to_owned());
    let hash = PolicySet::hash_of(&text, &entities);
    let set = PolicySet { number, text, entities, hash, actor, created_at: 1, created_ms: NOW_MS };
    state.policy_sets.insert(number, set);
    state.counters.policy_set = number;
}

/// Adds a member with the credential key `key`.
pub fn add_node(state: &mut State, n: u8, key: Vec<u8>) {
    let addr = format!("10.0.0.{n}:7400").parse().unwrap();
    let profile = Profile::plain(addr, key, Resources::default());
    let node = Node {
        name: format!("n{n}"),
        profile,
        membership: Membership::Member,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: NOW_MS,
    };
    state.nodes.insert(node_id(n), node);
}

/// Adds an agent, held by the nth node under `epoch` since index 50.
pub fn add_agent(state: &mut State, name: &str, owner: &str, n: u8, epoch: u64) {
    let spec = Spec::new(name.parse().unwrap(), owner, vec!["true".to_owned()]);
    let agent = Agent {
        placement: Some(Placement::held(node_id(n), Epoch(epoch), 50, Resources::default())),
        ..Agent::new(AgentId(uuid::Uuid::from_u128(9)), spec, 40)
    };
    state.agents.insert(name.parse().unwrap(), agent);
}

/// Makes `text` and `entities` the current set.
pub fn apply_set(state: &mut State, number: u64, text: &str, entities: &str) {
    apply_policies(state, number, text);
    let set = state.policy_sets.get_mut(&PolicyNumber(number)).unwrap();
    set.entities = entities.to_owned();
    set.hash = PolicySet::hash_of(text, entities);
}

/// Gives an agent labels: its record has another specification from then on.
pub fn label(state: &mut State, name: &str, labels: &[&str]) {
    let agent = state.agents.get_mut(&name.parse::<symbi_model::agent::AgentName>().unwrap()).unwrap();
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    agent.spec = Recorded { labels, ..(*agent.spec).clone() }.into();
}

/// A gate of the first node, and its clock.
pub fn gate() -> (Gate, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW_MS));
    let read = Arc::clone(&clock);
    // The boot clock stands still: a leader was heard just now.
    let clocks =
        Clocks { wall_ms: Arc::new(move || read.load(Ordering::Relaxed)), boottime: Arc::new(|| Duration::ZERO) };
    let gate = Gate::new(Options::new(node_id(1)), clocks);
    gate.heard(Duration::ZERO);
    (gate, clock)
}

/// An agent as a caller names it.
pub fn agent(name: &str) -> AgentRef {
    AgentRef { name: name.to_owned(), owner: String::new() }
}

/// An agent as a principal.
pub fn from(name: &str) -> Principal {
    Principal::Agent(agent(name))
}

/// A user as a principal.
pub fn user(name: &str) -> Principal {
    Principal::User(name.to_owned())
}
