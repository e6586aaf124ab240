//! A chain with everything in it that a chain can have, and its checkpoints, written entry by entry.

use crate::bytes::{self, Texts};
use ed25519_dalek::SigningKey;
use std::collections::{BTreeMap, BTreeSet};
use symbi_audit::{Batch, Checkpoint, Hex, Origin, Record};
use symbi_model::policy::{NO_ENTITIES, PolicySet};
use symbi_model::{ClusterId, Hash, NodeId, ledger, merkle};
use uuid::Uuid;

/// When it begins, ms since the Unix epoch.
pub const START_MS: u64 = 1_800_000_000_000;
/// The most by which a batch takes log time on.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The policies of every cluster here.
pub const POLICIES: &str = "permit(principal, action, resource);\n// \"quoted\", \\ and \u{e4}\n";

/// A line of the chain.
#[derive(Clone, Debug)]
pub enum ChainLine {
    /// A batch's line.
    Batch(Batch),
    /// A record.
    Record(Record),
}

/// A command, and what became of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What, of what, by whom.
    pub what: [String; 3],
    /// What else it says.
    pub details: Texts,
    /// The client's sequence; none for a node's own.
    pub request: Option<u64>,
    /// `DONE`, or why not.
    pub code: &'static str,
    /// What it gave.
    pub values: Texts,
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
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// The ledgers, by node.
    pub ledgers: BTreeMap<NodeId, Vec<ledger::Line>>,
    /// After which line ledgers are said to begin: its number, its hash, and the whole subtrees up to it.
    pub let_go: BTreeMap<NodeId, (u64, Hash, Vec<Hash>)>,
    /// Who rules: one set, or two.
    pub voters: Vec<Vec<u8>>,
    /// Who is named to follow.
    pub next: Option<Vec<u8>>,
    /// The nodes that were ever enrolled.
    nodes: BTreeSet<u8>,
    /// The agents' epochs.
    epochs: BTreeMap<String, u64>,
    /// The last anchor of each ledger: entries and head.
    pub anchors: BTreeMap<NodeId, (u64, Hash)>,
    /// What the cluster is known by.
    anchor: Hash,
    /// The digest of the last hop.
    hop: Hash,
    /// The leaves from the genesis on.
    leaves: Vec<Hash>,
    /// The next entry's index.
    index: u64,
    /// The term of the next entry.
    pub term: u64,
    /// When it is, ms since the Unix epoch.
    pub time_ms: u64,
    /// Log time.
    pub log_ms: u64,
    /// The hash of the last record.
    head: Hash,
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

fn p256(number: u8) -> Hex<65> {
    Hex(credential_key(number).verifying_key().to_encoded_point(false).as_bytes().try_into().expect("65 bytes"))
}

/// Ids in the order of a set.
pub fn set(numbers: &[u8]) -> Vec<Hex<32>> {
    let mut ids: Vec<_> = numbers.iter().map(|number| Hex(node(*number).0)).collect();
    ids.sort();
    ids
}

pub fn texts(texts: &[(&str, &str)]) -> Texts {
    texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

/// A command of a node's own that was done.
pub fn own(kind: &str, by: u8, subject: &str, details: &[(&str, &str)]) -> Asked {
    let what = [kind.to_owned(), format!("node:{}", node(by)), subject.to_owned()];
    Asked { what, details: texts(details), request: None, code: "DONE", values: Texts::new() }
}

/// A client's that was done.
pub fn asked(sequence: u64, kind: &str, subject: &str, details: &[(&str, &str)]) -> Asked {
    let what = [kind.to_owned(), "user:admin".to_owned(), subject.to_owned()];
    Asked { what, details: texts(details), request: Some(sequence), code: "DONE", values: Texts::new() }
}

impl Asked {
    pub fn refused(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    pub fn gave(self, values: &[(&str, &str)]) -> Self {
        Self { values: texts(values), ..self }
    }
}

impl World {
    /// Nothing yet.
    pub fn nothing(cluster: u128, name: &str) -> Self {
        Self {
            cluster: ClusterId(Uuid::from_u128(cluster)),
            name: name.to_owned(),
            chain: Vec::new(),
            checkpoints: Vec::new(),
            ledgers: BTreeMap::new(),
            let_go: BTreeMap::new(),
            voters: vec![vec![1]],
            next: None,
            nodes: BTreeSet::new(),
            epochs: BTreeMap::new(),
            anchors: BTreeMap::new(),
            anchor: Hash::default(),
            hop: Hash::default(),
            leaves: Vec::new(),
            index: 0,
            term: 0,
            time_ms: START_MS,
            log_ms: 0,
            head: Hash::default(),
        }
    }

    fn id(&self) -> [u8; 16] {
        *self.cluster.0.as_bytes()
    }

    /// A command as a record of the entry under way.
    fn of(&self, origin: Origin, position: usize, asked: Asked) -> Record {
        let [kind, actor, subject] = asked.what;
        let client = "01a00000-0000-7000-8000-000000000001";
        let decided = asked.request.is_some();
        let command = if kind.starts_with("raft.") || kind == "batch.empty" {
            Hash::default()
        } else {
            Hash::of(&[b"symbi-command-v1\0", &[0x5a; 16], kind.as_bytes(), subject.as_bytes()])
        };
        Record {
            index: self.index,
            position: u32::try_from(position).expect("few"),
            term: self.term,
            time_ms: self.log_ms,
            origin,
            kind,
            actor,
            subject,
            details: asked.details,
            request: asked.request.map(|sequence| format!("{client}:{sequence}")).unwrap_or_default(),
            decision: if decided { "d0d0d0d0-00000000-0000-7000-8000-000000000007".to_owned() } else { String::new() },
            policy_set: u64::from(decided),
            command: Hex(command.0),
            code: asked.code.to_owned(),
            values: asked.values,
            previous: Hex([0; 32]),
            hash: Hex([0; 32]),
        }
    }

    fn append(&mut self, mut record: Record, is_after_genesis: bool) {
        self.head = bytes::chained(&mut record, self.head);
        if is_after_genesis {
            self.leaves.push(merkle::leaf(&self.head.0));
        }
        self.chain.push(ChainLine::Record(record));
    }

    /// An entry of Raft's own.
    pub fn raft(&mut self, kind: &str, details: &[(&str, &str)]) {
        let what = [kind.to_owned(), "raft".to_owned(), "group:0".to_owned()];
        let asked = Asked { what, details: texts(details), request: None, code: "DONE", values: Texts::new() };
        let record = self.of(Origin::Raft, 0, asked);
        self.append(record, !self.leaves.is_empty());
        self.index += 1;
    }

    /// An entry that nobody could read.
    pub fn unreadable(&mut self, code: &'static str) {
        let what = ["batch.unreadable".to_owned(), "raft".to_owned(), "group:0".to_owned()];
        let asked = Asked { what, details: Texts::new(), request: None, code, values: Texts::new() };
        let record = self.of(Origin::Raft, 0, asked);
        self.append(record, !self.leaves.is_empty());
        self.index += 1;
    }

    /// A batch of these commands, signed by its origin.
    pub fn batch(&mut self, origin: u8, decided_term: u64, commands: Vec<Asked>) {
        self.batch_with(origin, decided_term, commands, |_| {});
    }

    /// The same, changed after it was signed.
    pub fn batch_with(&mut self, by: u8, decided_term: u64, commands: Vec<Asked>, change: impl FnOnce(&mut Batch)) {
        self.time_ms += 1_000;
        let count = u32::try_from(commands.len()).expect("few");
        let commands = if count > 0 { commands } else { vec![own("batch.empty", by, "group:0", &[])] };
        let origin = Hex(node(by).0);
        let refused = |asked: &Asked| ["BAD_SIGNATURE", "ORIGIN_NOT_MEMBER"].contains(&asked.code);
        // A joining node's other commands are refused one by one.
        if !commands.iter().all(refused) || (by == 3 && self.nodes.contains(&3) && commands[0].request.is_some()) {
            self.log_ms =
                self.time_ms.clamp(self.log_ms, if self.log_ms == 0 { u64::MAX } else { self.log_ms + DAY_MS });
        }
        let records: Vec<_> = (0..).zip(commands).map(|(at, asked)| self.of(Origin::Node(origin), at, asked)).collect();
        let leaves: Vec<Hash> = records.iter().take(count as usize).map(bytes::act_leaf).collect();
        let root = Hex(merkle::root(&leaves).0);
        let (index, time_ms, signature) = (self.index, self.time_ms, Hex([0; 64]));
        let mut batch = Batch { index, origin, time_ms, decided_term, count, acts: 1, root, signature };
        bytes::sign(&mut batch, self.id(), &key(by));
        change(&mut batch);
        if self.leaves.is_empty() {
            self.anchor = bytes::anchor(&batch, self.id());
        }
        self.chain.push(ChainLine::Batch(batch));
        records.into_iter().for_each(|record| self.append(record, true));
        self.index += 1;
    }

    /// Closes a checkpoint after the last entry, witnessed by these.
    pub fn close(&mut self, hops: bool, witnesses: &[u8]) {
        let checkpoint = Checkpoint {
            generation: 1,
            group: 0,
            gate: 1,
            size: self.leaves.len() as u64,
            root: Hex(merkle::root(&self.leaves).0),
            head: Hex(self.head.0),
            index: self.index - 1,
            term: self.term,
            time_ms: self.log_ms,
            state: Hex([7; 32]),
            voters: self.voters.iter().map(|voters| set(voters)).collect(),
            next: self.next.as_ref().map(|next| set(next)),
            hop: Hex(self.hop.0),
            hops,
            witnesses: Vec::new(),
        };
        self.checkpoints.push(checkpoint);
        let last = self.checkpoints.len() - 1;
        self.witness(last, witnesses);
        if hops {
            self.hop = bytes::digest(&self.checkpoints[last], self.id());
        }
    }

    /// Has a checkpoint signed by these, and by nobody else.
    pub fn witness(&mut self, at: usize, witnesses: &[u8]) {
        let id = self.id();
        let checkpoint = &mut self.checkpoints[at];
        let signed = witnesses.iter().map(|by| (Hex(node(*by).0), bytes::witness(checkpoint, id, &key(*by))));
        let signed: BTreeMap<_, _> = signed.collect();
        checkpoint.witnesses = signed.into_iter().collect();
    }

    /// The digest of a checkpoint.
    pub fn digest(&self, at: usize) -> String {
        bytes::digest(&self.checkpoints[at], self.id()).to_string()
    }

    /// Records a change of voters, by node 1, and closes its hop.
    pub fn voters(&mut self, phase: &str, voters: &[u8], witnesses: &[u8]) {
        let ids: Vec<String> = set(voters).iter().map(ToString::to_string).collect();
        let details = [("phase", phase), ("voters", &*ids.join(","))];
        self.batch(1, self.term, vec![own("audit.voters", 1, "group:0", &details)]);
        match phase {
            "next" => self.next = Some(voters.to_vec()),
            "settled" => (self.voters, self.next) = (vec![voters.to_vec()], None),
            _ => (self.voters, self.next) = (vec![self.voters[0].clone()], None),
        }
        self.close(true, witnesses);
    }

    /// Seals what there is, as its leader, node 1.
    pub fn seal(&mut self, witnesses: &[u8]) {
        self.batch(1, self.term, vec![own("audit.seal", 1, "group:0", &[])]);
        self.close(false, witnesses);
    }

    /// The command that makes the cluster.
    fn making(&self) -> Asked {
        let (id, hash) = (node(1).to_string(), PolicySet::hash_of(POLICIES, NO_ENTITIES).to_string());
        let subject = format!("cluster:{}", self.cluster);
        let details = [
            ("node", id.as_str()),
            ("name", "n1"),
            ("cluster", &self.name),
            ("domain", "symbi.internal"),
            ("policy_hash", &hash),
            ("credential_key", &p256(1).to_string()),
        ];
        own("cluster.genesis", 1, &subject, &details)
    }

    /// A node is made a member of.
    pub fn join(&mut self, number: u8) {
        self.enrol(number);
        self.batch(1, self.term, vec![own("node.join", 1, &format!("node:{}", node(number)), &[])]);
    }

    fn enrol(&mut self, number: u8) {
        let details = [("name", &*format!("n{number}")), ("credential_key", &*p256(number).to_string())];
        self.nodes.insert(number);
        self.batch(1, 0, vec![asked(2, "node.enrol", &format!("node:{}", node(number)), &details)]);
    }

    fn introduce(number: u8) -> Asked {
        let details = [("credential_key", &*p256(number).to_string())];
        own("node.introduce", number, &format!("node:{}", node(number)), &details)
    }

    /// A cluster's first entries: Raft's own, and its genesis, with its checkpoint.
    pub fn new(cluster: u128, name: &str) -> Self {
        let mut world = Self::nothing(cluster, name);
        world.raft("raft.membership", &[("voters", &node(1).to_string())]);
        world.term = 1;
        world.raft("raft.blank", &[]);
        world.nodes.insert(1);
        world.batch(1, 0, vec![world.making()]);
        world.close(true, &[1]);
        world
    }

    /// Two nodes, and an agent that is placed on the second.
    pub fn placed(cluster: u128, name: &str) -> Self {
        let mut world = Self::new(cluster, name);
        let token = |number: u8| format!("token:{}", hex::encode([number; 6]));
        world.batch(1, 0, vec![asked(1, "token.create", &token(1), &[("uses", "9")])]);
        world.join(2);
        world.batch(2, 0, vec![Self::introduce(2)]);
        let agent = "agent:reviewer-1";
        let stop = asked(5, "agent.stop", "agent:nobody", &[]).refused("NOT_FOUND");
        let create = asked(3, "agent.create", agent, &[("owner", "demo \"quoted\" \u{1f980}")]);
        let note = asked(4, "agent.annotate", agent, &[("key", "k")]);
        world.batch(2, 0, vec![create, note, stop.clone()]);
        world.batch(2, 0, vec![stop.gave(&[("repeated", "true")])]);
        let place = own("agent.place", 1, agent, &[("node", &node(2).to_string())]);
        world.batch(1, 9, vec![place.clone().refused("STALE_TERM")]);
        world.epochs.insert("reviewer-1".to_owned(), 1);
        world.batch(1, 1, vec![place.gave(&[("epoch", "1")])]);
        world.batch(2, 0, Vec::new());
        world
    }

    /// A cluster's life: every kind of entry, every way in which a batch can be refused, and three voters.
    pub fn full(cluster: u128, name: &str) -> Self {
        let mut world = Self::placed(cluster, name);
        world.strangers();
        world.term = 2;
        world.raft("raft.blank", &[]);
        world.batch(1, 0, vec![world.making().refused("CLUSTER_EXISTS")]);
        let first = format!("node:{}", node(1));
        world.batch(2, 2, vec![own("node.down", 2, &first, &[]), own("node.up", 2, &first, &[])]);
        world.join(4);
        world.voters("next", &[1, 2, 4], &[1]);
        world.seal(&[1]);
        world.voters = vec![vec![1], vec![1, 2, 4]];
        world.seal(&[1, 4]);
        world.voters("settled", &[1, 2, 4], &[1, 2, 4]);
        world.talk();
        world.refused_anchors();
        world.seal(&[2, 4]);
        world.batch(2, 0, vec![asked(9, "token.create", "token:0505050505aa", &[])]);
        world
    }

    /// A node that never finishes to join, a stranger, and a forged batch.
    fn strangers(&mut self) {
        let token = |by: u64| asked(by, "token.create", "token:020202020202", &[]);
        self.enrol(3);
        self.batch(3, 0, vec![token(1).refused("ORIGIN_NOT_MEMBER")]);
        self.batch(3, 0, vec![Self::introduce(3)]);
        self.batch(1, 1, vec![own("node.clear", 1, &format!("node:{}", node(3)), &[])]);
        self.batch(3, 0, vec![Self::introduce(3).refused("ORIGIN_NOT_MEMBER")]);
        let strangers = [1, 2].map(|by| token(by).refused("ORIGIN_NOT_MEMBER"));
        self.batch(7, 0, strangers.to_vec());
        self.batch_with(1, 0, vec![token(7).refused("BAD_SIGNATURE")], |batch| batch.time_ms += 1);
    }

    /// The epoch under which an agent is placed.
    pub fn epoch_of(&self, agent: &str) -> u64 {
        self.epochs[agent]
    }

    /// How many lines of a node's ledger are anchored.
    pub fn anchored_lines(&self, number: u8) -> usize {
        usize::try_from(self.anchors[&node(number)].0).expect("lines in memory")
    }

    /// How far a node's ledger has come after so many lines, in its own words.
    pub fn said(&self, number: u8, lines: usize) -> String {
        let lines = &self.ledgers[&node(number)][..lines];
        let leaves: Vec<_> = lines.iter().map(|line| ledger::anchor::leaf(&line.hash)).collect();
        let head = lines.last().expect("there is a line").hash;
        bytes::ledger(self.id(), 1, (lines.len() as u64, head, merkle::root(&leaves)), &key(number))
    }

    /// Records anchors, by node 1 that leads, and what became of each.
    pub fn record_anchors(&mut self, anchors: &[(String, &str)]) {
        let (said, answers): (Vec<_>, Vec<_>) = anchors.iter().map(|(said, answer)| (said.as_str(), *answer)).unzip();
        let anchor = own("ledger.anchor", 1, "group:0", &[("anchors", &*said.join(","))]);
        self.batch(1, self.term, vec![anchor.gave(&[("answers", &*answers.join(","))])]);
    }

    /// Anchors every line of these nodes' ledgers.
    pub fn anchor_ledgers(&mut self, numbers: &[u8]) {
        let mut anchors = Vec::new();
        for number in numbers {
            let lines = &self.ledgers[&node(*number)];
            let (entries, head) = (lines.len(), lines.last().expect("there is a line").hash);
            let before = self.anchors.insert(node(*number), (entries as u64, head));
            let is_new = before.is_none_or(|(before, _)| before < entries as u64);
            anchors.push((self.said(*number, entries), if is_new { "DONE" } else { "STALE_ANCHOR" }));
        }
        self.record_anchors(&anchors);
    }

    /// Anchors that are none, each for another reason.
    fn refused_anchors(&mut self) {
        let tip = (999, Hash([1; 32]), Hash([2; 32]));
        let others = bytes::ledger([9; 16], 1, tip, &key(2));
        let anchors = [
            (bytes::ledger(self.id(), 1, tip, &key(3)), "ORIGIN_NOT_MEMBER"),
            (bytes::ledger(self.id(), 1, tip, &key(7)), "ORIGIN_NOT_MEMBER"),
            (bytes::ledger(self.id(), 2, tip, &key(2)), "OTHER_GENERATION"),
            (self.said(1, 1), "STALE_ANCHOR"),
            (others, "BAD_SIGNATURE"),
        ];
        self.record_anchors(&anchors);
        let asked = own("ledger.anchor", 2, "group:0", &[("anchors", &*self.said(2, 1))]);
        self.batch(2, self.term + 9, vec![asked.refused("STALE_TERM")]);
    }

    /// The cluster's anchor.
    pub fn anchor(&self) -> String {
        self.anchor.to_string()
    }

    /// The hash of the last record.
    pub fn head(&self) -> String {
        self.head.to_string()
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.chain.iter().filter(|line| matches!(line, ChainLine::Record(_))).count() as u64
    }

    /// The records of this kind.
    pub fn records_of(&mut self, kind: &str) -> Vec<&mut Record> {
        let records = self.chain.iter_mut().filter_map(|line| match line {
            ChainLine::Record(record) if record.kind == kind => Some(record),
            ChainLine::Record(_) | ChainLine::Batch(_) => None,
        });
        records.collect()
    }

    /// The nodes that were ever enrolled, by their ids.
    pub fn members(&self) -> BTreeMap<NodeId, u8> {
        self.nodes.iter().map(|number| (node(*number), *number)).collect()
    }
}
