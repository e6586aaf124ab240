//! A chain with everything in it that a chain can have, made by applying entries to the model's state.

use crate::entries::entry;
use ed25519_dalek::{Signer, SigningKey};
use std::collections::BTreeMap;
use symbi_audit::entry::{LedgerHeader, Missing};
use symbi_audit::{Batch, Cluster, Encoder, Hex, Key, Line, Origin, Record};
use symbi_model::agent::{Resources, Spec};
use symbi_model::command::{CreateToken, Enrol, Genesis};
use symbi_model::entry::{CONTROL, Entry, Payload};
use symbi_model::node::Profile;
use symbi_model::policy::{NO_ENTITIES, PermitRef};
use symbi_model::{
    AgentId, ClientId, ClusterId, Command, DecisionId, Hash, Item, NodeId, PolicyNumber, RequestId, State, TokenId,
    apply, codec,
};
use symbi_model::{ledger, merkle, record};
use uuid::Uuid;

/// When it begins, ms since the Unix epoch.
const START_MS: u64 = 1_800_000_000_000;
/// The policies of every cluster here.
pub const POLICIES: &str = "permit(principal, action, resource);\n// \"quoted\", \\ and \u{e4}\n";

/// What the model leaves in the chain.
#[expect(clippy::large_enum_variant, reason = "there are few, in tests")]
#[derive(Clone)]
pub enum ChainLine {
    /// A batch's line.
    Batch(record::BatchLine),
    /// A record.
    Record(record::Record),
}

/// A cluster and its chain so far.
#[derive(Clone)]
pub struct World {
    /// Its id.
    pub cluster: ClusterId,
    /// Its name.
    pub name: String,
    /// The chain.
    pub chain: Vec<ChainLine>,
    /// The ledgers, by node.
    pub ledgers: BTreeMap<NodeId, Vec<ledger::Line>>,
    /// After which line ledgers are said to begin.
    pub let_go: BTreeMap<NodeId, u64>,
    /// What the entries so far have made.
    state: State,
    /// The last entry's index.
    index: u64,
    /// The term of the next entry.
    term: u64,
    /// When it is, ms since the Unix epoch.
    time_ms: u64,
}

pub fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn node(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

/// The key with which a node issues credentials.
pub fn credential_key(number: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[number; 32]).expect("a scalar")
}

fn profile(number: u8) -> Profile {
    let addr = format!("127.0.0.1:74{number:02}").parse().expect("an address");
    let credential_key = credential_key(number).verifying_key().to_encoded_point(false).as_bytes().to_vec();
    Profile::plain(addr, credential_key, Resources { memory_mb: 1024, cpu_millis: 4000 })
}

fn permitted(sequence: u64, command: &Command) -> Item {
    let client = ClientId(Uuid::from_u128(u128::from(START_MS) << 80 | 0x7000 << 64 | 0x8000_0000_0000_0001));
    let decision = DecisionId { node: [0xd0; 4], id: Uuid::from_u128(u128::from(sequence)) };
    Item {
        request: Some(RequestId { client, sequence }),
        permit: Some(PermitRef { decision, policy_set: PolicyNumber(1) }),
        command: codec::encode_command(command),
    }
}

fn own(command: &Command) -> Item {
    Item { request: None, permit: None, command: codec::encode_command(command) }
}

fn create_token(token: u8) -> Command {
    let token = TokenId([token; 6]);
    let expires_ms = START_MS + 86_400_000;
    Command::CreateToken(CreateToken { token, verifier: [1; 32], uses: 9, expires_ms, actor: "user:admin".to_owned() })
}

fn enrol(number: u8) -> Command {
    let name = format!("n{number}");
    Command::Enrol(Enrol { node: node(number), name, profile: profile(number), token: TokenId([1; 6]) })
}

fn create_agent() -> Command {
    let spec = Spec {
        resources: Resources { memory_mb: 128, cpu_millis: 250 },
        ..Spec::new("reviewer-1".parse().expect("a name"), "demo \"quoted\" \u{1f980}", vec!["python3".to_owned()])
    };
    Command::CreateAgent { id: AgentId(Uuid::from_u128(0xa1)), spec, actor: "user:admin".to_owned() }
}

impl World {
    /// A cluster's first entries: Raft's own, and its genesis.
    pub fn new(cluster: u128, name: &str) -> Self {
        let cluster = ClusterId(Uuid::from_u128(cluster));
        let (state, chain, name) = (State::default(), Vec::new(), name.to_owned());
        let (ledgers, let_go) = (BTreeMap::new(), BTreeMap::new());
        let mut world = Self { cluster, name, chain, ledgers, let_go, state, index: 0, term: 0, time_ms: START_MS };
        world.apply(Payload::Membership { voters: vec![vec![node(1)]], learners: Vec::new() });
        world.term = 1;
        world.apply(Payload::Blank);
        world.genesis();
        world
    }

    /// A cluster's life: every kind of entry, and every way in which a batch can be refused.
    pub fn full(cluster: u128, name: &str) -> Self {
        let mut world = Self::placed(cluster, name);
        world.strangers();
        world.term = 2;
        world.apply(Payload::Blank);
        world.genesis();
        world.batch(
            2,
            Some(2),
            vec![own(&Command::NodeDown { node: node(1) }), own(&Command::NodeUp { node: node(1) })],
        );
        world.talk();
        world
    }

    /// Two nodes, and an agent that is placed on the second.
    pub fn placed(cluster: u128, name: &str) -> Self {
        let mut world = Self::new(cluster, name);
        world.batch(1, None, vec![permitted(1, &create_token(1))]);
        world.batch(1, None, vec![permitted(2, &enrol(2))]);
        world.batch(1, Some(1), vec![own(&Command::FinishJoin { node: node(2) })]);
        world.batch(2, None, vec![own(&Command::Introduce { node: node(2), profile: profile(2) })]);
        let annotate = Command::Annotate {
            name: "reviewer-1".parse().expect("a name"),
            key: "k".to_owned(),
            value: "v".to_owned(),
            actor: "user:admin".to_owned(),
        };
        let stop = Command::StopAgent { name: "nobody".parse().expect("a name"), actor: "user:admin".to_owned() };
        world.batch(2, None, vec![permitted(3, &create_agent()), permitted(4, &annotate), permitted(5, &stop)]);
        world.batch(2, None, vec![permitted(5, &stop)]);
        let place = Command::Place {
            name: "reviewer-1".parse().expect("a name"),
            id: AgentId(Uuid::from_u128(0xa1)),
            expected: None,
            node: node(2),
        };
        world.batch(1, Some(9), vec![own(&place)]);
        world.batch(1, Some(1), vec![own(&place)]);
        world
    }

    /// The epoch under which an agent is placed.
    pub fn epoch_of(&self, agent: &str) -> u64 {
        let agent = self
            .state
            .agents
            .get(&agent.parse::<symbi_model::agent::AgentName>().expect("a name"))
            .expect("there is one");
        agent.placement.expect("it is placed").epoch.0
    }

    /// How many lines of a node's ledger are anchored.
    pub fn anchored_lines(&self, number: u8) -> usize {
        usize::try_from(self.state.ledgers[&node(number)].anchor.entries).expect("lines in memory")
    }

    /// Anchors every line of a node's ledger.
    pub fn anchor_ledger(&mut self, number: u8) {
        let id = node(number);
        let before = self.state.ledgers.get(&id).map_or(0, |anchored| anchored.anchor.entries);
        let hashes: Vec<_> = self.ledgers[&id].iter().map(|line| line.hash).collect();
        let since = &hashes[usize::try_from(before).expect("lines in memory")..];
        let head = *hashes.last().expect("there is a line");
        let anchor = ledger::Anchor { entries: hashes.len() as u64, head, root: merkle::root(since) };
        self.batch(number, None, vec![own(&Command::Anchor { node: id, anchor })]);
    }

    /// A node that never finishes to join, a stranger, and a forged batch.
    fn strangers(&mut self) {
        self.batch(1, None, vec![permitted(6, &enrol(3))]);
        self.batch(3, None, vec![permitted(1, &create_token(2))]);
        self.batch(3, None, vec![own(&Command::Introduce { node: node(3), profile: profile(3) })]);
        self.batch(1, Some(1), vec![own(&Command::ClearJoin { node: node(3) })]);
        self.batch(3, None, vec![own(&Command::Introduce { node: node(3), profile: profile(3) })]);
        self.batch(7, None, vec![permitted(1, &create_token(3)), permitted(2, &create_token(4))]);
        let mut batch = symbi_model::Batch::sign(
            self.cluster,
            CONTROL,
            &key(1),
            self.time_ms,
            None,
            vec![permitted(7, &create_token(5))],
        );
        batch.time_ms += 1;
        self.apply(Payload::Batch(codec::encode_batch(&batch)));
    }

    fn genesis(&mut self) {
        let genesis = Genesis {
            cluster: self.cluster,
            name: self.name.clone(),
            domain: "symbi.internal".to_owned(),
            node: node(1),
            node_name: "n1".to_owned(),
            profile: profile(1),
            admin_token: Hash([9; 32]),
            policies: POLICIES.to_owned(),
        };
        let batch = symbi_model::Batch::genesis(genesis, &key(1), self.time_ms);
        self.apply(Payload::Batch(codec::encode_batch(&batch)));
    }

    fn batch(&mut self, origin: u8, decided_term: Option<u64>, items: Vec<Item>) {
        self.time_ms += 1_000;
        let batch = symbi_model::Batch::sign(self.cluster, CONTROL, &key(origin), self.time_ms, decided_term, items);
        self.apply(Payload::Batch(codec::encode_batch(&batch)));
    }

    fn apply(&mut self, payload: Payload) {
        let applied = apply(&mut self.state, &Entry { term: self.term, index: self.index, payload });
        assert_eq!(applied.error, None);
        self.index += 1;
        self.chain.extend(applied.batch_line.map(ChainLine::Batch));
        self.chain.extend(applied.records.into_iter().map(ChainLine::Record));
    }

    /// The cluster's anchor.
    pub fn anchor(&self) -> String {
        self.state.cluster.as_ref().expect("there was a genesis").anchor.to_string()
    }

    /// The head of the chain, as the state has it.
    pub fn head(&self) -> String {
        self.state.counters.audit_head.to_string()
    }

    /// How many records there are, as the state has it.
    pub fn records(&self) -> u64 {
        self.state.counters.audit_records
    }

    /// Links the records anew, as whoever changed some would have to.
    pub fn relink(&mut self) {
        let mut head = Hash::default();
        for line in &mut self.chain {
            if let ChainLine::Record(record) = line {
                *record = record.clone().chained(head);
                head = record.hash;
            }
        }
    }

    /// The records of this kind.
    pub fn records_of(&mut self, kind: &str) -> Vec<&mut record::Record> {
        let records = self.chain.iter_mut().filter_map(|line| match line {
            ChainLine::Record(record) if record.kind == kind => Some(record),
            ChainLine::Record(_) | ChainLine::Batch(_) => None,
        });
        records.collect()
    }

    /// The lines of the chain.
    pub fn lines(&self) -> Vec<Line> {
        self.chain.iter().map(line).collect()
    }

    /// The bundle, made by node 2.
    pub fn bundle(&self) -> Vec<u8> {
        self.exported(2, |_| {}, POLICIES)
    }

    /// The bundle, made by some node, with other keys and policies.
    pub fn exported(&self, exporter: u8, change: impl FnOnce(&mut Vec<Key>), policies: &str) -> Vec<u8> {
        let cluster = Cluster(*self.cluster.0.as_bytes());
        let exporting = Hex(node(exporter).0);
        let mut encoder = Encoder::new(Vec::new(), cluster, &self.name, 0, exporting).expect("memory takes all");
        for line in self.lines() {
            match line {
                Line::Batch(batch) => encoder.batch(batch),
                Line::Record(record) => encoder.record(record),
                _ => unreachable!("a chain has no other lines"),
            }
            .expect("memory takes all");
        }
        let mut keys: Vec<_> = self.state.nodes.iter().map(|(id, node)| keys(id, node)).collect();
        change(&mut keys);
        for key in keys {
            encoder.key(key).expect("memory takes all");
        }
        encoder.policy(1, policies.to_owned(), NO_ENTITIES.to_owned()).expect("memory takes all");
        for id in self.state.nodes.keys() {
            self.ledger(id, &mut encoder).expect("memory takes all");
        }
        let unsigned = encoder.finish();
        let signature = key(exporter).sign(&unsigned.to_sign()).to_bytes();
        unsigned.sign(signature).expect("memory takes all")
    }
}

impl World {
    fn ledger(&self, id: &NodeId, encoder: &mut Encoder<Vec<u8>>) -> std::io::Result<()> {
        let anchor = self.state.ledgers.get(id).map(|anchored| anchored.anchor);
        let Some(lines) = self.ledgers.get(id) else {
            let (entries, head) = anchor.map_or((0, Hash::default()), |anchor| (anchor.entries, anchor.head));
            return encoder.missing(Missing { node: Hex(id.0), entries, head: Hex(head.0) });
        };
        let after = self.let_go.get(id).copied().unwrap_or_default();
        encoder.ledger(LedgerHeader { node: Hex(id.0), after, previous: Hex([0; 32]) })?;
        lines.iter().try_for_each(|line| encoder.entry(entry(line)))
    }
}

fn keys(id: &NodeId, node: &symbi_model::node::Node) -> Key {
    let p256 = node.profile.credential_key.as_slice().try_into().expect("65 bytes");
    Key { node: Hex(id.0), name: node.name.to_string(), p256: Hex(p256) }
}

fn line(line: &ChainLine) -> Line {
    match line {
        ChainLine::Batch(batch) => Line::Batch(Batch {
            index: batch.index,
            origin: Hex(batch.origin.0),
            time_ms: batch.time_ms,
            decided_term: batch.decided_term,
            count: batch.count,
            root: Hex(batch.root.0),
            signature: Hex(batch.signature.as_slice().try_into().expect("64 bytes")),
        }),
        ChainLine::Record(record) => Line::Record(Record {
            index: record.index,
            position: record.position,
            term: record.term,
            time_ms: record.time_ms,
            origin: record.origin.map_or(Origin::Raft, |node| Origin::Node(Hex(node.0))),
            kind: record.kind.clone(),
            actor: record.actor.clone(),
            subject: record.subject.clone(),
            outcome: record.outcome.clone(),
            request: record.request.clone(),
            decision: record.decision.clone(),
            policy_set: record.policy_set.0,
            command: Hex(record.command.0),
            details: record.details.clone(),
            previous: Hex(record.previous.0),
            hash: Hex(record.hash.0),
        }),
    }
}
