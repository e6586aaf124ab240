//! A cluster of nothing but its state, driven by a script; what it prints is compared with what a test expects.
//!
//! A line is one entry: `n1: COMMAND; COMMAND` is a batch that n1 signs, `n1 decided 3: …` a leader's, `n1 forged: …` one
//! whose signature is of other bytes. A command may begin with its request (`c1:2`, client and sequence; the client
//! `c1+700` was born 700 s into the script) and end with `unpermitted` or `set=N`; what a user asks for with `by=NAME`, and with
//! `shown=k1` where an API token was shown. `blank` is a new leader's first entry;
//! Where an epoch is wanted, 0 is none and `now` the one the agent has. `term N`, `time SECONDS` and `policy N` set the stage. After each entry the rows on disk must make up the state, and
//! every invariant must hold.

mod parse;
mod show;

use ed25519_dalek::SigningKey;
use expect_test::Expect;
pub use parse::{agent_id, client_id, create, nodes};
use std::collections::BTreeMap;
use std::fmt::Write;
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::entry::{Entry, Payload};
use symbi_model::node::Profile;
use symbi_model::policy::PermitRef;
use symbi_model::secret::Secret;
use symbi_model::state::{Row, Table};
use symbi_model::{
    ApiTokenId, Applied, Batch, ClusterId, Command, DecisionId, GroupId, Hash, Item, NodeId, Outcome, PolicyNumber,
    RequestId, State, apply, codec, gate, invariants,
};
use uuid::Uuid;

/// When scripts begin, ms since the Unix epoch.
pub const START_MS: u64 = 1_800_000_000_000;
/// The cluster's id.
pub const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xc1));

/// The cluster's secret.
pub const SECRET: Secret = Secret([0x5e; 32]);

/// See the module.
pub struct World {
    /// The state.
    pub state: State,
    /// The rows that applying has written so far.
    pub disk: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// The term of the next entry.
    pub term: u64,
    /// The index of the last entry.
    pub index: u64,
    /// The proposers' clock.
    pub time_ms: u64,
    /// Every entry so far.
    pub log: Vec<Entry>,
}

/// A command of a batch, and what comes with it.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The client's key.
    pub request: Option<RequestId>,
    /// The policy set of its permit.
    pub set: Option<u64>,
    /// The API token that was shown.
    pub shown: Option<Hash>,
    /// The command.
    pub command: Command,
}

impl World {
    /// An empty world.
    pub fn new() -> Self {
        Self { state: State::default(), disk: BTreeMap::new(), term: 1, index: 0, time_ms: START_MS, log: Vec::new() }
    }

    /// A cluster of n1.
    pub fn started() -> Self {
        let mut world = Self::new();
        world.genesis();
        world
    }

    /// Applies n1's genesis.
    pub fn genesis(&mut self) -> Applied {
        let batch = Batch::genesis(genesis(), [7; 16], &key(1), self.time_ms);
        self.apply(Payload::Batch(codec::encode_batch(&batch)))
    }

    /// Applies one entry and holds it to what every entry must keep.
    pub fn apply(&mut self, payload: Payload) -> Applied {
        self.index += 1;
        let entry = Entry { term: self.term, index: self.index, payload };
        let applied = apply(&mut self.state, &entry);
        self.log.push(entry);
        for Row { table, key, value } in applied.rows.clone() {
            match value {
                Some(value) => self.disk.insert((table, key), value),
                None => self.disk.remove(&(table, key)),
            };
        }
        self.check();
        applied
    }

    /// Applies a batch of `origin`.
    pub fn propose(&mut self, origin: u8, decided: Option<u64>, commands: Vec<Proposed>) -> Applied {
        let batch = self.batch(origin, decided, commands);
        self.apply(Payload::Batch(codec::encode_batch(&batch)))
    }

    /// Applies a user's command, and gives what became of it.
    pub fn permitted(&mut self, command: Command) -> Vec<Outcome> {
        self.propose(1, None, vec![Proposed { request: None, set: Some(1), shown: None, command }]).outcomes
    }

    /// Applies a command that the leader, node 1, has decided in the present term.
    pub fn decided(&mut self, command: Command) -> Applied {
        self.propose(1, Some(self.term), vec![Proposed { request: None, set: None, shown: None, command }])
    }

    /// A signed batch.
    pub fn batch(&self, origin: u8, decided: Option<u64>, commands: Vec<Proposed>) -> Batch {
        let items = (0..).zip(commands).map(|(salt, proposed)| proposed.into_item(salt)).collect();
        Batch::sign(CLUSTER, GroupId(0), &key(origin), self.time_ms, decided, items)
    }

    /// Counts and writes to disk what a test has put into the state by hand.
    pub fn edited(&mut self) {
        self.state = self.state.clone().recounted();
        let rows = self.state.rows();
        self.disk = rows.into_iter().filter_map(|row| Some(((row.table, row.key), row.value?))).collect();
    }

    fn check(&self) {
        let rows = self.disk.iter().map(|((table, key), value)| Row {
            table: *table,
            key: key.clone(),
            value: Some(value.clone()),
        });
        let loaded = State::load(rows).expect("rows that apply wrote");
        assert_eq!(loaded, self.state, "what is on disk is the state");
        assert_eq!(loaded.hash(), self.state.hash());
        assert_eq!(invariants::check_all(&self.state), Ok(()));
    }
}

impl Proposed {
    fn into_item(self, salt: u8) -> Item {
        let decision = DecisionId { node: [0xd0; 4], id: Uuid::from_u128(0xde) };
        let credential = self.shown.as_ref().map(ApiTokenId::of);
        let permit = self.set.map(|set| PermitRef { decision, policy_set: PolicyNumber(set), credential });
        Item::new(self.request, permit, [salt; 16], &self.command)
    }
}

/// Runs a script in a cluster of n1 and compares what it prints.
pub fn check(script: &str, expect: &Expect) {
    expect.assert_eq(&run(&mut World::started(), script));
}

/// Runs a script and gives what it prints.
pub fn run(world: &mut World, script: &str) -> String {
    let mut out = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(out, "> {line}").expect("a string");
        if let Some(applied) = world.line(line) {
            show::applied(&mut out, &applied);
        }
    }
    out
}

/// The key of node `number`.
pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The id of node `number`.
pub fn node(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

/// What node `number` says of itself.
pub fn profile(number: u8) -> Profile {
    Profile::plain(([10, 0, 0, number], 7400).into(), vec![number; 65], Resources { memory_mb: 1000, cpu_millis: 4000 })
}

/// What makes the cluster.
pub fn genesis() -> Genesis {
    Genesis {
        cluster: CLUSTER,
        name: "symbi".to_owned(),
        domain: "symbi.local".to_owned(),
        node: node(1),
        node_name: "n1".to_owned(),
        profile: profile(1),
        gate: gate::CURRENT,
        admin_token: Hash([7; 32]),
        policies: "permit(principal, action, resource);".to_owned(),
        secret: SECRET,
    }
}
