//! Fills the data directory of a stopped node that is the only one of its cluster, so that a test need not wait for what would
//! take hours over HTTP: through the log and `apply`, as the node itself would, many commands a batch.
//!
//! `symbi-fill DIR agents N` records N agents that are stopped; `symbi-fill DIR records N` adds N audit records and nothing else.
//! Not for data that anybody cares for: the permits that it names were never given.

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use symbi_model::agent::Spec;
use symbi_model::entry::CONTROL;
use symbi_model::policy::PermitRef;
use symbi_model::{AgentId, Batch, Command, DecisionId, GroupId, Item, NodeId, Outcome, State, codec};
use symbi_raft::link::Kind;
use symbi_raft::{Handle, Link, LinkError, Options};
use uuid::Uuid;

/// Bytes of commands in a batch, about: as many as one shipment may have.
const BATCH_BYTES: usize = 256 * 1024;

/// Nobody is there: the group has one member.
struct Alone;

impl Link for Alone {
    fn call(
        &self,
        _: NodeId,
        _: GroupId,
        _: Kind,
        _: Bytes,
        _: Duration,
    ) -> BoxFuture<'static, Result<Bytes, LinkError>> {
        Box::pin(std::future::ready(Err(LinkError::Unreachable)))
    }
}

/// What fills.
struct Filler {
    /// The group.
    raft: Handle,
    /// The node's key.
    key: SigningKey,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, what, count] = arguments.as_slice() else { panic!("symbi-fill DIR agents|records N") };
    let count: u64 = count.parse().expect("a number");
    let filler = Filler::open(Path::new(dir)).await;
    let began = Instant::now();
    match what.as_str() {
        "agents" => filler.agents(count).await,
        "records" => filler.records(count).await,
        other => panic!("{other} is neither agents nor records"),
    }
    let state = filler.raft.state().borrow().clone();
    println!(
        "{} agents, {} records, index {}, in {:.1} s",
        state.agents.len(),
        state.counters.audit_records,
        state.counters.applied_index,
        began.elapsed().as_secs_f64()
    );
    filler.raft.shutdown().await;
}

impl Filler {
    async fn open(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join("node.key")).expect("a data directory with a key");
        let seed: Vec<u8> =
            (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect();
        let key = SigningKey::from_bytes(&seed.try_into().expect("32 bytes"));
        let runs = symbi_raft::runs(CONTROL).into_iter().chain(symbi_host::ledger::runs()).collect();
        let options = symbi_rocks::Options { runs, ..symbi_rocks::Options::default() };
        let engine = symbi_rocks::Rocks::open(&dir.join("db"), options).expect("the node is stopped");
        let options = Options::new(NodeId(key.verifying_key().to_bytes()));
        let raft = symbi_raft::start(options, Arc::new(engine), Arc::new(Alone)).await.expect("a replica");
        raft.settled().await.expect("it is the only one");
        Self { raft, key }
    }

    fn state(&self) -> State {
        self.raft.state().borrow().clone()
    }

    async fn agents(&self, count: u64) {
        let there = self.state().agents.len() as u64;
        let specs = (there..there + count).map(|number| {
            let name = format!("sleeper-{number}").parse().expect("a name");
            let command = vec!["/usr/bin/env".to_owned(), "python3".to_owned(), format!("agent-{number}.py")];
            Spec { env: [("ROLE".to_owned(), "sleeper".to_owned())].into(), ..Spec::new(name, "admin", command) }
        });
        let state = self.state();
        let commands = specs.flat_map(|spec| {
            let (actor, name) = ("user:admin".to_owned(), spec.name.clone());
            let id = AgentId(Uuid::from_bytes(rand::random()));
            let create = Command::create_agent(&state, id, spec, actor.clone());
            [create, Command::StopAgent { actor, name }]
        });
        self.propose(commands).await;
    }

    async fn records(&self, count: u64) {
        let (own, state) = (self.raft.node(), self.state());
        let profile = state.nodes[&own].profile.clone();
        self.propose((0..count).map(|_| Command::Introduce { node: own, profile: profile.clone() })).await;
    }

    async fn propose(&self, commands: impl Iterator<Item = Command>) {
        let (mut items, mut bytes) = (Vec::new(), 0);
        for command in commands {
            let item = self.item(&command);
            bytes += item.command.len();
            items.push(item);
            if bytes >= BATCH_BYTES {
                self.batch(std::mem::take(&mut items)).await;
                bytes = 0;
            }
        }
        self.batch(items).await;
    }

    fn item(&self, command: &Command) -> Item {
        let policy_set = self.raft.state().borrow().counters.policy_set;
        let decision = DecisionId { node: [0; 4], id: Uuid::nil() };
        let permit = command.needs_permit().then_some(PermitRef { decision, policy_set, credential: None });
        Item::new(None, permit, rand::random(), command)
    }

    async fn batch(&self, items: Vec<Item>) {
        let state = self.state();
        let cluster = state.cluster.expect("a cluster").id;
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let time_ms = u64::try_from(clock.as_millis()).expect("a time").max(state.counters.log_time_ms);
        let batch = Batch::sign(cluster, CONTROL, &self.key, time_ms, None, items);
        let applied = self.raft.propose(codec::encode_batch(&batch)).await.expect("it leads");
        let refused = applied.outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused(_)));
        assert!(refused.is_none(), "{refused:?}");
    }
}
