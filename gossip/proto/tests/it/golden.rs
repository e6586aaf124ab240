//! The bytes of every message, one of each variant at least: the format is a promise to nodes of other versions.

use crate::fixture::{
    agent, agent_id, cluster, cnf, decision, key, message, node, party, profile, request, sessions, token,
};
use expect_test::expect_file;
use std::fmt::{Debug, Write};
use symbi_model::ledger::{Anchor, Entry as LedgerEntry, Fate, Kind as LedgerKind, Line, OnBehalf};
use symbi_model::node::Membership;
use symbi_model::outcome::Limit;
use symbi_model::policy::PermitRef;
use symbi_model::{Checkpoint, Epoch, GroupId, Hash, NodeId, Outcome, PolicyNumber, Refusal};
use symbi_proto::Error;
use symbi_proto::join::{Joiner, Member, welcome};
use symbi_proto::session::{Id, Initiator, Kind, respond};
use symbi_proto::wire::bench::{BenchReply, BenchRequest};
use symbi_proto::wire::join::{Enrolled, Neighbour, Progress, Refused, RefusedCode};
use symbi_proto::wire::ledger::{Anchored, Chunk, Sighting, Sightings};
use symbi_proto::wire::message::Parting;
use symbi_proto::wire::{
    Attestation, Blob, Carried, ControlReply, ControlRequest, Ending, JoinReply, JoinRequest, LogTail, MessageFrame,
    MessageReply, Signed, Witnessed, Word,
};

/// A message with its two functions.
pub trait Coded: Debug + PartialEq + Sized {
    fn bytes(&self) -> Vec<u8>;
    fn read(bytes: &[u8]) -> Result<Self, Error>;
}

macro_rules! coded {
    ($($type:ty),*) => {$(
        impl Coded for $type {
            fn bytes(&self) -> Vec<u8> {
                self.encode()
            }

            fn read(bytes: &[u8]) -> Result<Self, Error> {
                Self::decode(bytes)
            }
        }
    )*};
}
coded!(ControlRequest, ControlReply, JoinRequest, JoinReply, MessageFrame, MessageReply);

/// Something to do with messages of every type.
pub trait Visit {
    fn visit<T: Coded>(&mut self, messages: Vec<T>);
}

/// Visits the messages of every type.
pub fn visit(visitor: &mut impl Visit) {
    visitor.visit(control_requests());
    visitor.visit(control_replies());
    visitor.visit(join_requests());
    visitor.visit(join_replies());
    visitor.visit(frames());
    visitor.visit(replies());
}

fn anchor() -> Anchor {
    let (node, signature) = (NodeId([3; 32]), [6; 64].into());
    Anchor { node, generation: 1, entries: 7, head: Hash([4; 32]), root: Hash([5; 32]), signature }
}

fn control_requests() -> Vec<ControlRequest> {
    vec![
        ControlRequest::Forward { group: GroupId(0), batch: vec![1, 2, 3] },
        ControlRequest::ReadIndex { group: GroupId(7) },
        ControlRequest::Grant { boot: 3, anchor: Some(anchor()) },
        ControlRequest::Grant { boot: 3, anchor: None },
        ControlRequest::Clock,
        ControlRequest::Decision { id: decision() },
        ControlRequest::Logs { agent: agent("a"), lines: 300 },
        ControlRequest::AskFrom {
            from: agent("a"),
            to: agent("b"),
            kind: Kind::Tell,
            payload: b"{}".to_vec(),
            timeout_ms: 30_000,
            user: "admin".to_owned(),
            permit: PermitRef { decision: decision(), policy_set: PolicyNumber(3), credential: None },
        },
        ControlRequest::Vouched { peer: node(1), index: 70_000 },
        ControlRequest::WhyAgent { agent: agent("a") },
        ControlRequest::Ledger { from: 300 },
        ControlRequest::Message { prefix: "0198a6b2".to_owned() },
    ]
    .into_iter()
    .chain(bench_requests())
    .chain([ControlRequest::Decisions { low: decision(), high: decision() }])
    .chain([
        ControlRequest::Witness(vec![signed()]),
        ControlRequest::Witnessed { before: 300 },
        ControlRequest::Closed { claim: Some(signed().claim) },
        ControlRequest::Closed { claim: None },
        ControlRequest::Hail,
    ])
    .collect()
}

/// A checkpoint of two sets of voters, which names the second one.
fn checkpoint() -> Checkpoint {
    Checkpoint {
        cluster: cluster(),
        generation: 1,
        group: GroupId(0),
        gate: 2,
        size: 300,
        root: Hash([1; 32]),
        head: Hash([2; 32]),
        index: 290,
        term: 3,
        time_ms: 1_763_700_000_000,
        state: Hash([3; 32]),
        voters: vec![vec![node(1)], vec![node(1), node(2)]],
        next: Some(vec![node(1), node(2)]),
        hop: Hash([4; 32]),
        hops: true,
    }
}

/// A voter's signature on it.
fn signed() -> Signed {
    let claim = checkpoint().claim();
    Signed { claim, signature: Blob(claim.sign(&key(1)).to_vec()) }
}

/// What a run with layers asks of its sink.
fn bench_requests() -> [ControlRequest; 4] {
    let (_, hello) = Initiator::start(party(1, 2), [10; 32], [11; 32], Id([5; 16]));
    let (key, agents) = (cnf(1), (agent("a"), agent("b")));
    let open = BenchRequest::Open { hello: Box::new(hello), key, agents };
    let take = BenchRequest::Take { stage: 2, messages: vec![Blob(vec![1, 2, 3])], attestation: None };
    [open, take, BenchRequest::Close, BenchRequest::Attested].map(ControlRequest::Bench)
}

/// What the sink says.
fn bench_replies() -> [ControlReply; 3] {
    [BenchReply::Done, BenchReply::Refused { reason: "no session".to_owned() }, BenchReply::Attested(300)]
        .map(ControlReply::Bench)
}

/// A chunk of a ledger, and what it says of a message.
fn ledger_replies() -> [ControlReply; 2] {
    let line = Line::chained(7, 1_763_700_000_000, LedgerEntry::Gap { lost: 2 }, Hash([1; 32]));
    let chunk = Chunk { first: 7, before: Hash([1; 32]), whole: vec![Hash([2; 32])], last: 9, lines: vec![line] };
    let sighting = Sighting {
        message: message(1),
        node: node(1),
        line: 7,
        time_ms: 1_763_700_000_000,
        what: "sent".to_owned(),
        kind: Some(LedgerKind::Tell),
        sender: "a".to_owned(),
        sender_epoch: Epoch(1),
        receiver: "b".to_owned(),
        receiver_epoch: Epoch(2),
        user: String::new(),
        on_behalf: Some(Box::new(OnBehalf {
            user: "admin".to_owned(),
            member: node(2),
            permit: decision(),
            judged: decision(),
        })),
        session: Some([5; 16]),
        batch: Some(3),
        sequence: Some(64),
        bytes: 256,
        deadline_ms: 1_763_700_030_000,
        sent_by: Some(decision()),
        received_by: None,
        fate: Some(Fate::Sent),
        anchor: Some(Anchored { entries: 9, index: 70, position: 1 }),
    };
    [ControlReply::Ledger(Box::new(chunk)), ControlReply::Message(Sightings { seen: vec![sighting], more: true })]
}

fn control_replies() -> Vec<ControlReply> {
    let outcomes = vec![
        Outcome::Done,
        Outcome::Created { id: agent_id() },
        Outcome::Refused(Refusal::Limit { limit: Limit::Spec, max: 9 }),
    ];
    let reason = "why".to_owned();
    let mut replies = vec![
        ControlReply::Committed { index: 9, term: 2, outcomes },
        ControlReply::NotLeader { leader: Some(node(1)) },
        ControlReply::NotLeader { leader: None },
        ControlReply::Unknown,
        ControlReply::ClockSkew { ms: -700 },
        ControlReply::ReadIndex { term: 2, index: 9 },
        ControlReply::Grant { term: 2, read_index: 9 },
        ControlReply::Condemned,
        ControlReply::Clock { wall_ms: 1_763_700_000_000 },
        ControlReply::Decision(Some(vec![1])),
        ControlReply::Decision(None),
        ControlReply::Logs(Some(LogTail { lines: vec!["a line".to_owned()], left_out: 3 })),
        ControlReply::Logs(None),
        ControlReply::Vouched(true),
        ControlReply::WhyAgent(vec![("n1".to_owned(), reason.clone())]),
        ControlReply::Failed { reason: reason.clone() },
    ];
    let endings = [
        Ending::Answer(b"{}".to_vec()),
        Ending::Denied { decision: decision(), reason: reason.clone() },
        Ending::NotDelivered { reason },
        Ending::DeadlineExceeded { delivered: true },
        Ending::OutcomeUnknown,
    ];
    replies.extend(endings.map(|ending| ControlReply::Ended { message: message(2), ending }));
    replies.extend(ledger_replies());
    replies.extend(bench_replies());
    replies.push(ControlReply::Decisions { ids: vec![decision()], more: true });
    replies.push(ControlReply::Unsupported);
    replies.push(ControlReply::Heard);
    let signatures = vec![(node(1), signed().signature)];
    replies.push(ControlReply::Witnessed(vec![Witnessed { checkpoint: checkpoint(), signatures }]));
    replies
}

fn join_requests() -> Vec<JoinRequest> {
    let (joiner, hello) = Joiner::start(token(), node(2), "n2".to_owned(), [3; 32], 1_000);
    let member = Member { node: node(1), cluster: cluster(), cluster_name: "symbi".to_owned() };
    let answer = welcome(&member, node(2), hello.clone(), token().verifier(), [4; 32], 1_001).expect("a good hello");
    let proved = joiner.check(node(1), answer.1).expect("a good reply");
    vec![
        JoinRequest::Hello(hello),
        JoinRequest::Enrol(proved.enrol(profile(), request())),
        JoinRequest::Progress,
        JoinRequest::Admit { index: 12 },
    ]
}

fn join_replies() -> Vec<JoinReply> {
    let (_, hello) = Joiner::start(token(), node(2), "n2".to_owned(), [3; 32], 1_000);
    let member = Member { node: node(1), cluster: cluster(), cluster_name: "symbi".to_owned() };
    let answer = welcome(&member, node(2), hello, token().verifier(), [4; 32], 1_001).expect("a good hello");
    let neighbour = Neighbour { node: node(1), name: "n1".to_owned(), addr: "[::1]:7400".parse().expect("an address") };
    vec![
        JoinReply::Hello(answer.1),
        JoinReply::Enrolled(Box::new(Enrolled {
            index: 12,
            cluster: cluster(),
            cluster_name: "symbi".to_owned(),
            domain: "symbi.symbi.internal".to_owned(),
            generation: 0,
            anchor: Hash([6; 32]),
            roster: vec![neighbour],
        })),
        JoinReply::Progress(Progress {
            membership: Some(Membership::Joining),
            is_voter: false,
            leader: Some(node(1)),
            last_log: 14,
            committed: 13,
        }),
        JoinReply::Admitted,
        JoinReply::Refused(Refused { code: RefusedCode::NameTaken, detail: "n2 is taken".to_owned() }),
        JoinReply::Refused(Refused { code: RefusedCode::Malformed, detail: String::new() }),
        JoinReply::Refused(Refused { code: RefusedCode::DialBack, detail: String::new() }),
        JoinReply::Refused(Refused { code: RefusedCode::ClusterFull, detail: String::new() }),
    ]
}

fn frames() -> Vec<MessageFrame> {
    let (_, hello) = Initiator::start(party(1, 2), [11; 32], [12; 32], Id([9; 16]));
    let sealed = sessions(1).0.seal(&crate::fixture::header(1, 2), b"{}").expect("sealed").bytes;
    let carried = |bytes| Carried { remaining_ms: 5_000, user: "admin".to_owned(), sealed: Blob(bytes) };
    let word = Word::NotDelivered { reason: "why".to_owned() };
    let attestation = Attestation {
        epoch: Epoch(3),
        batch: 0,
        first: 0,
        last: 63,
        root: Hash([1; 32]),
        previous: Hash([0; 32]),
        policy_set: PolicyNumber(1),
        time_ms: 1_000,
        signature: vec![2; 64],
    };
    vec![
        MessageFrame::Hello { remaining_ms: 5_000, hello: Box::new(hello) },
        MessageFrame::Batch { session: Id([9; 16]), messages: vec![carried(sealed)], attestation: None },
        MessageFrame::Batch {
            session: Id([9; 16]),
            messages: vec![carried(vec![1]), carried(vec![2, 3])],
            attestation: Some(Box::new(attestation.clone())),
        },
        MessageFrame::Returns {
            session: Id([9; 16]),
            answers: vec![Blob(vec![1])],
            attestation: Some(Box::new(attestation)),
            endings: vec![(message(2), word)],
        },
        MessageFrame::Close { session: Id([9; 16]), why: Parting::Unattested },
    ]
}

fn replies() -> Vec<MessageReply> {
    let (_, hello) = Initiator::start(party(1, 2), [11; 32], [12; 32], Id([9; 16]));
    let (_, reply) = respond(party(2, 1), &hello, &cnf(1), [21; 32], [22; 32]).expect("a good hello");
    vec![
        MessageReply::Hello(Box::new(reply)),
        MessageReply::Refused { reason: "why".to_owned() },
        MessageReply::Batch(vec![
            Word::Delivered,
            Word::Waiting,
            Word::Denied { decision: decision(), reason: "why".to_owned() },
            Word::NotDelivered { reason: "why".to_owned() },
            Word::DeadlineExceeded { delivered: true },
            Word::OutcomeUnknown,
            Word::NoSession,
        ]),
        MessageReply::Done,
        MessageReply::NoSession,
        MessageReply::Unsupported,
    ]
}

#[test]
fn bytes_stay_as_they_are() {
    struct Print(String);
    impl Visit for Print {
        fn visit<T: Coded>(&mut self, messages: Vec<T>) {
            for message in messages {
                let shown = format!("{message:?}");
                let variant = shown.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
                let name = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
                writeln!(self.0, "{name}::{variant} {}", hex::encode(message.bytes())).expect("a text takes all");
            }
        }
    }
    let mut print = Print(String::new());
    visit(&mut print);
    expect_file!["golden.txt"].assert_eq(&print.0);
}
