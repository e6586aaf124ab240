//! Inner-loop benchmarks: what every write, message, decision and plan pays. This is the cluster that they share.
//!
//! Measure with `cargo bench -p symbi-benches`, or one file of `benches/` with `--bench gate`; numbers mean something
//! on a machine that does nothing else. `cargo test -p symbi-benches` runs each of them once, to see that it works.
//!
//! *Caveats*: no disk and no network. Everything is fixed or comes from a seed, so that two runs do the same work.

pub mod conversation;
pub mod peers;

use criterion::Criterion;
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::str::FromStr;
use symbi_model::agent::{Agent, AgentName, Placement, Resources, Restart, Spec};
use symbi_model::entry::CONTROL;
use symbi_model::node::{CREDENTIAL_KEY_BYTES, Liveness, Membership, Node, Profile};
use symbi_model::policy::{NO_ENTITIES, PermitRef, PolicySet};
use symbi_model::state::Cluster;
use symbi_model::user::{ADMIN, User};
use symbi_model::{Batch, ClusterId, Command, DecisionId, Epoch, Hash, Item, NodeId, PolicyNumber, RequestId, State};

/// How many nodes the cluster has.
pub const NODES: u64 = 100;
/// How many agents.
pub const AGENTS: u64 = 10_000;
/// How many commands a batch has.
pub const BATCH: u64 = 128;
/// The time, ms since the Unix epoch.
pub const NOW_MS: u64 = 1_800_000_000_000;

/// Criterion as all benchmarks use it: without plots, which nobody here looks at.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default().without_plots()
}

/// A UUIDv7 of [`NOW_MS`], told apart by `number`.
#[must_use]
pub fn uuid<T: FromStr>(number: u64) -> T {
    let bits = u128::from(NOW_MS) << 80 | 7 << 76 | 2 << 62 | u128::from(number);
    format!("{bits:032x}").parse().ok().expect("a UUID")
}

/// The cluster's id.
#[must_use]
pub fn cluster() -> ClusterId {
    uuid(0)
}

/// The key of the node that proposes.
#[must_use]
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// A node's id: node 0 is the one that proposes.
#[must_use]
pub fn node(number: u64) -> NodeId {
    if number == 0 {
        return NodeId(key().verifying_key().to_bytes());
    }
    let mut id = [0xee; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

/// An agent's name.
#[must_use]
pub fn agent(number: u64) -> AgentName {
    format!("agent-{number:05}").parse().expect("a name")
}

/// A cluster of [`NODES`] members and [`AGENTS`] agents of one owner, none of them placed yet, under the starter
/// policies.
#[must_use]
pub fn unplaced() -> State {
    let mut state = State::default();
    state.cluster = Some(Cluster {
        id: cluster(),
        name: "symbi".to_owned(),
        domain: "symbi.symbi.internal".to_owned(),
        anchor: Hash::default(),
        generation: 0,
        secret: symbi_model::secret::Secret([7; 32]),
    });
    let number = PolicyNumber(1);
    let (text, entities, actor) = (symbi_policy::STARTER.to_owned(), NO_ENTITIES.to_owned(), "node:n1".to_owned());
    let hash = PolicySet::hash_of(&text, &entities);
    let set = PolicySet { number, text, entities, hash, actor, created_at: 1, created_ms: NOW_MS };
    state.policy_sets.insert(number, set);
    state.counters.policy_set = number;
    let user = User { created_by: "node:n1".to_owned(), created_at: 1, created_ms: NOW_MS };
    state.users.insert(ADMIN.to_owned(), user);
    state.counters.log_time_ms = NOW_MS;
    state.counters.last_epoch = AGENTS;
    state.nodes.extend((0..NODES).map(|number| (node(number), member(number))));
    let mut random = StdRng::seed_from_u64(1);
    state.agents.extend((0..AGENTS).map(|number| (agent(number), record(number, &mut random))));
    state.recounted()
}

/// [`unplaced`], with every agent held by one of the nodes in turn.
#[must_use]
pub fn placed() -> State {
    let mut state = unplaced();
    for number in 0..AGENTS {
        let record = state.agents.get_mut(&agent(number)).expect("every agent is there");
        let reserved = record.spec.resources;
        record.placement = Some(Placement::held(node(number % NODES), Epoch(number + 1), 2, reserved));
    }
    state.recounted()
}

fn member(number: u64) -> Node {
    let profile = Profile::plain(
        ([10, 0, 0, 1], 7400).into(),
        vec![4; CREDENTIAL_KEY_BYTES],
        Resources { memory_mb: 64 * 1024, cpu_millis: 64_000 },
    );
    Node {
        name: format!("n{number}"),
        profile,
        membership: Membership::Member,
        liveness: Liveness::Up,
        token: None,
        enrolled_at: 1,
        enrolled_ms: NOW_MS,
    }
}

/// An agent of some size: on average a hundred of them take half a node.
fn record(number: u64, random: &mut StdRng) -> Agent {
    let resources = Resources { memory_mb: random.random_range(64..=576), cpu_millis: random.random_range(50..=590) };
    let spec = Spec {
        resources,
        restart: Restart::OnFailure,
        ..Spec::new(agent(number), "demo", vec!["python3".to_owned(), "/opt/agents/reviewer.py".to_owned()])
    };
    Agent::new(uuid(number), spec, 1)
}

/// [`BATCH`] annotations, each of another agent.
#[must_use]
pub fn annotates() -> Vec<Command> {
    let annotate = |number| Command::Annotate {
        name: agent(number * (AGENTS / BATCH)),
        key: "ticket".to_owned(),
        value: format!("OPS-{number}: a note of ordinary length"),
        actor: "user:admin".to_owned(),
    };
    (0..BATCH).map(annotate).collect()
}

/// Commands encoded and in a signed batch, each as the first write of its own client and under a permit.
#[must_use]
pub fn signed(commands: &[Command]) -> Batch {
    let item = |(number, command): (u64, &Command)| {
        let decision = DecisionId { node: [1; 4], id: uuid(number) };
        let request = RequestId { client: uuid(number), sequence: 1 };
        let permit = PermitRef { decision, policy_set: PolicyNumber(1), credential: None };
        Item::new(Some(request), Some(permit), [7; 16], command)
    };
    Batch::sign(cluster(), CONTROL, &key(), NOW_MS, None, (0..).zip(commands).map(item).collect())
}
