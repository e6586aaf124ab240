//! A chain and its checkpoints as the cluster's own `apply` makes them, held to what the verifier makes of them: two implementations
//! of the same bytes, and of the same rules about who rules.

use crate::bytes;
use crate::chain::{credential_key, key, node};
use ed25519_dalek::Signer;
use std::sync::Arc;
use symbi_audit::{About, Batch, Checkpoint, Cluster, Encoder, Hex, Key, Record, Report, What, verify_pinned};
use symbi_model::agent::Resources;
use symbi_model::command::{CreateToken, Enrol, Genesis, Phase};
use symbi_model::entry::{Entry, Item, Payload};
use symbi_model::node::Profile;
use symbi_model::policy::{NO_ENTITIES, PermitRef};
use symbi_model::{
    ClusterId, Command, DecisionId, GroupId, Hash, NodeId, PolicyNumber, State, TokenId, apply, codec, gate,
};
use uuid::Uuid;

const CLUSTER: ClusterId = ClusterId(Uuid::from_u128(0xc1));
const POLICIES: &str = "permit(principal, action, resource);";
const START_MS: u64 = 1_800_000_000_000;

/// A replica, and what it has left behind.
#[derive(Default)]
struct Replica {
    /// Its state.
    state: State,
    /// Batch lines and records, in order.
    lines: Vec<Line>,
    /// Its checkpoints, each with the numbers of those who have signed it.
    checkpoints: Vec<(Arc<symbi_model::Checkpoint>, Vec<u8>)>,
}

enum Line {
    Batch(Batch),
    Record(Record),
}

fn set(numbers: &[u8]) -> Vec<NodeId> {
    let mut set: Vec<NodeId> = numbers.iter().map(|number| node(*number)).collect();
    set.sort_unstable();
    set
}

fn profile(number: u8) -> Profile {
    let p256 = credential_key(number).verifying_key().to_encoded_point(false).as_bytes().to_vec();
    Profile::plain(([10, 0, 0, number], 7400).into(), p256, Resources { memory_mb: 1000, cpu_millis: 4000 })
}

impl Replica {
    /// Applies an entry; `signers` sign the checkpoint that it closes.
    fn entry(&mut self, payload: Payload, signers: &[u8]) {
        let index = self.state.counters.applied_index + 1;
        let applied = apply(&mut self.state, &Entry { term: 1, index, payload });
        assert_eq!(applied.error, None);
        self.lines.extend(applied.batch_line.map(|line| Line::Batch(symbi_audit_lines::batch(line).expect("signed"))));
        self.lines.extend(applied.records.into_iter().map(|line| Line::Record(symbi_audit_lines::record(line))));
        self.checkpoints.extend(applied.checkpoint.map(|checkpoint| (checkpoint, signers.to_vec())));
    }

    fn propose(&mut self, decided: bool, commands: &[Command], signers: &[u8]) {
        let decision = DecisionId { node: [0xd0; 4], id: Uuid::from_u128(0xde) };
        let permit = |command: &Command| {
            command.needs_permit().then_some(PermitRef { decision, policy_set: PolicyNumber(1), credential: None })
        };
        let items = commands.iter().map(|command| Item::new(None, permit(command), [5; 16], command)).collect();
        let time_ms = self.state.counters.log_time_ms + 400;
        let batch = symbi_model::Batch::sign(CLUSTER, GroupId(0), &key(1), time_ms, decided.then_some(1), items);
        self.entry(Payload::Batch(codec::encode_batch(&batch)), signers);
    }

    fn seat(&mut self, voters: &[&[u8]]) {
        let voters = voters.iter().map(|voters| set(voters)).collect();
        self.entry(Payload::Membership { voters, learners: Vec::new() }, &[]);
    }

    fn voters(&mut self, phase: Phase, voters: &[u8], signers: &[u8]) {
        self.propose(true, &[Command::Voters { phase, voters: set(voters) }], signers);
    }

    /// A cluster of n1 that becomes one of three voters, with some records more and a seal that two of them sign.
    fn grown() -> Self {
        let mut replica = Self::default();
        replica.seat(&[&[1]]);
        replica.entry(Payload::Blank, &[]);
        let genesis = Genesis {
            cluster: CLUSTER,
            name: "symbi".to_owned(),
            domain: "symbi.internal".to_owned(),
            node: node(1),
            node_name: "n1".to_owned(),
            profile: profile(1),
            gate: gate::CURRENT,
            admin_token: Hash([7; 32]),
            secret: symbi_model::secret::Secret([8; 32]),
            policies: POLICIES.to_owned(),
        };
        let genesis = symbi_model::Batch::genesis(genesis, [7; 16], &key(1), START_MS);
        replica.entry(Payload::Batch(codec::encode_batch(&genesis)), &[1]);
        let token = TokenId([1; 6]);
        let actor = "user:admin".to_owned();
        let create = CreateToken { token, verifier: [9; 32], uses: 9, expires_ms: START_MS * 2, actor };
        replica.propose(false, &[Command::CreateToken(create)], &[]);
        for number in [2, 3] {
            let name = format!("n{number}");
            let enrol = Enrol { node: node(number), name, profile: profile(number), token };
            replica.propose(false, &[Command::Enrol(enrol)], &[]);
            replica.propose(true, &[Command::FinishJoin { node: node(number) }], &[]);
        }
        replica.voters(Phase::Next, &[1, 2], &[1]);
        replica.voters(Phase::Aborted, &[1, 2], &[1]);
        replica.voters(Phase::Settled, &[1, 2], &[1]);
        replica.voters(Phase::Next, &[1, 2, 3], &[1]);
        replica.seat(&[&[1], &[1, 2, 3]]);
        replica.propose(true, &[Command::Seal], &[1, 3]);
        replica.seat(&[&[1, 2, 3]]);
        replica.voters(Phase::Settled, &[1, 2, 3], &[1, 2, 3]);
        for _ in 0..100 {
            let up = Command::NodeUp { node: node(2) };
            replica.propose(true, &[up.clone(), up.clone(), up], &[2, 3]);
        }
        replica.propose(true, &[Command::Seal], &[2, 3]);
        replica.entry(Payload::Blank, &[]);
        replica
    }

    /// The bundle that n2 makes of it.
    fn bundle(&self) -> Vec<u8> {
        let about = About {
            cluster: Cluster(*CLUSTER.0.as_bytes()),
            cluster_name: "symbi",
            group: 0,
            generation: 0,
            exporter: symbi_audit_lines::node(&node(2)),
            time_ms: START_MS,
        };
        let mut encoder = Encoder::new(Vec::new(), about).expect("memory takes all");
        for (checkpoint, signers) in &self.checkpoints {
            encoder.checkpoint(told(checkpoint, signers)).expect("memory takes all");
        }
        for line in &self.lines {
            match line {
                Line::Batch(batch) => encoder.batch(batch.clone()),
                Line::Record(record) => encoder.record(record.clone()),
            }
            .expect("memory takes all");
        }
        for (node, record) in &self.state.nodes {
            let p256 = Hex(record.profile.credential_key.clone().try_into().expect("65 bytes"));
            encoder
                .key(Key { node: symbi_audit_lines::node(node), name: record.name.clone(), p256 })
                .expect("memory takes all");
        }
        encoder.policy(1, POLICIES.to_owned(), NO_ENTITIES.to_owned()).expect("memory takes all");
        for node in self.state.nodes.keys() {
            let missing =
                symbi_audit::entry::Missing { node: symbi_audit_lines::node(node), entries: 0, head: Hex([0; 32]) };
            encoder.missing(missing).expect("memory takes all");
        }
        let unsigned = encoder.finish();
        let signature = key(2).sign(&unsigned.to_sign()).to_bytes();
        unsigned.sign(signature).expect("memory takes all")
    }

    fn verify(&self, pin: Option<&str>) -> Result<Report, What> {
        let anchor = self.state.cluster.as_ref().expect("a cluster").anchor.to_string();
        verify_pinned(self.bundle().as_slice(), Some(&anchor), pin).map_err(|failure| failure.what)
    }
}

/// A checkpoint's line, signed with these keys.
fn told(checkpoint: &symbi_model::Checkpoint, signers: &[u8]) -> Checkpoint {
    let claim = checkpoint.claim();
    let signatures = signers.iter().map(|number| (node(*number), claim.sign(&key(*number))));
    symbi_audit_lines::checkpoint(checkpoint, signatures)
}

#[test]
fn what_the_cluster_closes_is_what_the_verifier_expects() {
    let replica = Replica::grown();
    let report = replica.verify(None).expect("it holds");
    let sealed = replica.checkpoints.last().expect("a seal").0.size;
    let witnessed = report.witnessed.expect("two of three");
    assert_eq!((witnessed.records, witnessed.by, witnessed.of, report.after), (sealed, 2, 3, 1));
    let counted = replica.checkpoints.iter().filter(|(checkpoint, _)| !checkpoint.hops).count();
    assert!(counted >= 3, "some were closed by many records, too");
    assert_eq!(report.weakest.expect("the first node").voters, ["n1"]);
    let settled = replica.checkpoints.iter().rev().find(|(checkpoint, _)| checkpoint.hops).expect("a hop");
    let pin = settled.0.digest().to_string();
    assert_eq!(replica.verify(Some(&pin)).expect("it is there").weakest.expect("three").keys, 2);
}

#[test]
fn a_record_that_was_edited_and_signed_anew_by_the_exporter_is_refused() {
    let mut replica = Replica::grown();
    let edited = replica.lines.iter_mut().filter_map(|line| match line {
        Line::Record(record) => Some(record),
        Line::Batch(_) => None,
    });
    // What became of a command is nobody's signature but the voters'.
    let mut head = Hash::default();
    for (number, record) in edited.enumerate() {
        if number == 8 {
            record.values.insert("count".to_owned(), "7".to_owned());
        }
        head = bytes::chained(record, head);
    }
    assert_eq!(replica.verify(None).expect_err("the voters have signed something else"), What::Checkpoint("root"));
    for (_, signers) in &mut replica.checkpoints {
        signers.clear();
    }
    assert!(replica.verify(None).is_err(), "also when it drops their signatures");
}

#[test]
fn voters_whom_raft_took_unnamed_are_believed_once_those_who_ruled_have_named_them() {
    let mut replica = Replica::grown();
    replica.seat(&[&[2, 3]]);
    replica.voters(Phase::Next, &[2, 3], &[1, 2]);
    replica.propose(true, &[Command::Seal], &[2, 3]);
    replica.voters(Phase::Settled, &[2, 3], &[2, 3]);
    let report = replica.verify(None).expect("it holds");
    let settled = replica.checkpoints.last().expect("the settled ones").0.size;
    assert_eq!(report.witnessed.map(|witnessed| (witnessed.records, witnessed.by)), Some((settled, 2)));
}

#[test]
fn the_voters_that_were_changed_before_those_who_rule_had_witnessed_it_are_refused() {
    let mut replica = Replica::grown();
    let next =
        replica.checkpoints.iter_mut().rev().find(|(checkpoint, _)| checkpoint.next.is_some() && checkpoint.hops);
    next.expect("a hop").1.clear();
    assert_eq!(replica.verify(None).expect_err("nobody let them in"), What::Voters);
}
