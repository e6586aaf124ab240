//! Two ledgers of one conversation, made with the model's lines, and all that may and may not be one-sided in them.

use crate::chain::{World, credential_key, key, node};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use p256::ecdsa::signature::Signer as _;
use std::collections::BTreeSet;
use symbi_audit::{Failure, What, verify};
use symbi_model::hash::{put_bytes, put_u64};
use symbi_model::ledger::{
    Attestation, Denied, End, Ended, Entry, Fate, Kind, Line, Local, Message, MessageBatch, OnBehalf, Session,
};
use symbi_model::{DecisionId, Epoch, Hash, MessageId, NodeId, PolicyNumber, merkle};
use uuid::Uuid;

/// When the first line is written, by the nodes' clocks.
const TALK_MS: u64 = 1_800_000_100_000;
/// The conversation's session.
const SESSION: [u8; 16] = [0x5e; 16];
/// The agent on node 2, and the gateway of node 1.
const AGENT: &str = "reviewer-1";
const GATEWAY: &str = "gateway-n1";

/// The key by which a node's side of the session signs.
fn cnf(number: u8) -> SigningKey {
    key(0x40 + number)
}

/// The id of a message.
pub fn message(number: u64) -> MessageId {
    MessageId(Uuid::from_u128(u128::from(TALK_MS) << 80 | 0x7000 << 64 | 0x8000 << 48 | u128::from(number)))
}

fn decision(number: u64) -> DecisionId {
    DecisionId { node: [0xd1; 4], id: Uuid::from_u128(u128::from(number)) }
}

/// A credential as nodes issue them.
fn credential(issuer: u8, (bearer, audience): (&str, &str), epoch: u64) -> String {
    let header = r#"{"alg":"ES256","typ":"agentpin-credential+jwt","kid":"any"}"#;
    let x = URL_SAFE_NO_PAD.encode(cnf(issuer).verifying_key().to_bytes());
    let urn = |name: &str| format!("urn:agentpin:symbi.internal:{name}");
    let (sub, aud) = (urn(bearer), urn(audience));
    let claims = format!(
        r#"{{"iss":"symbi.internal","sub":"{sub}","aud":"{aud}","iat":1,"exp":2,"cnf":{{"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}}},"symbi_epoch":{epoch}}}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature: p256::ecdsa::Signature = credential_key(issuer).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_der()))
}

/// One direction of the session, as its sender counts.
struct Direction {
    /// The sender's node.
    from: u8,
    /// The sender.
    sender: &'static str,
    /// Its epoch.
    epoch: u64,
    /// The next batch.
    batch: u64,
    /// The next sequence.
    sequence: u64,
    /// The hash of the batch before it.
    previous: Hash,
}

impl Direction {
    /// Messages of the next sequences, as their sender has them.
    fn messages(&self, kind: Kind, ids: &[u64]) -> Vec<Message> {
        let messages = ids.iter().zip(self.sequence..).map(|(id, sequence)| Message {
            sequence,
            message: message(*id),
            kind,
            header: Hash::of(&[&id.to_be_bytes()]),
            user: if self.from == 1 { "admin".to_owned() } else { String::new() },
            on_behalf: (kind == Kind::Tell).then(|| on_behalf(*id)),
            bytes: 7 + id,
            deadline_ms: TALK_MS + 30_000,
            decision: (kind != Kind::Answer).then(|| decision(*id)),
            fate: Fate::Sent,
        });
        messages.collect()
    }

    /// The next batch, signed.
    fn batch(&mut self, world: &World, kind: Kind, ids: &[u64]) -> MessageBatch {
        let messages = self.messages(kind, ids);
        let leaves: Vec<_> = messages.iter().map(Message::leaf).collect();
        let last = self.sequence + ids.len() as u64 - 1;
        let mut attestation = Attestation {
            epoch: Epoch(self.epoch),
            batch: self.batch,
            first: self.sequence,
            last,
            root: merkle::root(&leaves),
            previous: self.previous,
            policy_set: PolicyNumber(1),
            time_ms: TALK_MS,
            signature: Vec::new(),
        };
        let bytes = self.signed(world, &attestation);
        attestation.signature = cnf(self.from).sign(&bytes).to_bytes().to_vec();
        self.previous = Hash::of(&[&bytes, &attestation.signature]);
        (self.batch, self.sequence) = (self.batch + 1, last + 1);
        MessageBatch { session: SESSION, attestation: Some(attestation), messages }
    }

    fn signed(&self, world: &World, attestation: &Attestation) -> Vec<u8> {
        let mut out = b"symbi-batch-v1\0".to_vec();
        put_bytes(&mut out, world.cluster.0.as_bytes());
        put_bytes(&mut out, self.sender.as_bytes());
        put_bytes(&mut out, cnf(self.from).verifying_key().as_bytes());
        put_bytes(&mut out, &SESSION);
        for number in [attestation.epoch.0, attestation.batch, attestation.first, attestation.last] {
            put_u64(&mut out, number);
        }
        put_bytes(&mut out, &attestation.root.0);
        put_bytes(&mut out, &attestation.previous.0);
        put_u64(&mut out, attestation.policy_set.0);
        put_u64(&mut out, attestation.time_ms);
        out
    }
}

/// A batch as its receiver has it.
fn received(sent: &MessageBatch) -> MessageBatch {
    let mut batch = sent.clone();
    for message in &mut batch.messages {
        (message.fate, message.decision) = (Fate::Taken, message.decision.map(|_| decision(0x99)));
    }
    batch
}

fn session(began: bool, epoch: u64) -> Entry {
    let (gateway, agent) = (credential(1, (GATEWAY, AGENT), 0), credential(2, (AGENT, GATEWAY), epoch));
    let (name, peer_name) = if began { (GATEWAY, AGENT) } else { (AGENT, GATEWAY) };
    let (own, other) = if began { (0, epoch) } else { (epoch, 0) };
    let (credential, peer_credential) = if began { (gateway, agent) } else { (agent, gateway) };
    Entry::Session(Session {
        session: SESSION,
        began,
        name: name.to_owned(),
        epoch: Epoch(own),
        peer: node(if began { 2 } else { 1 }),
        peer_name: peer_name.to_owned(),
        peer_epoch: Epoch(other),
        credential,
        peer_credential,
    })
}

fn ended(sent: &MessageBatch, fate: Fate) -> Entry {
    let attestation = sent.attestation.as_ref().expect("sent is signed");
    let end = |message: &Message| End { sequence: message.sequence, message: message.message, fate };
    Entry::Ended(Ended { session: SESSION, batch: attestation.batch, ends: sent.messages.iter().map(end).collect() })
}

/// Whose words a message has; what a ledger says here is bound by its hashes alone.
fn on_behalf(id: u64) -> Box<OnBehalf> {
    let (permit, judged) = (decision(id + 100), decision(id + 200));
    Box::new(OnBehalf { user: "admin".to_owned(), member: NodeId([9; 32]), permit, judged })
}

fn local() -> Entry {
    Entry::Local(Local {
        message: message(70),
        kind: Kind::Tell,
        sender: GATEWAY.to_owned(),
        receiver: "near".to_owned(),
        sender_epoch: Epoch(0),
        receiver_epoch: Epoch(3),
        user: "admin \"quoted\"".to_owned(),
        on_behalf: Some(on_behalf(72)),
        bytes: 1,
        deadline_ms: TALK_MS,
        sent_by: Some(decision(70)),
        received_by: Some(decision(71)),
        fate: Fate::Taken,
    })
}

impl World {
    /// A conversation between the gateway of node 1 and the agent on node 2, in the ledgers of both, and their anchors; after
    /// the last anchors one line each.
    pub fn talk(&mut self) {
        let epoch = self.epoch_of(AGENT);
        let mut there =
            Direction { from: 1, sender: GATEWAY, epoch: 0, batch: 0, sequence: 0, previous: Hash::default() };
        let mut back = Direction { from: 2, sender: AGENT, epoch, batch: 0, sequence: 0, previous: Hash::default() };
        self.record(1, Entry::Started { boot: 1 });
        self.record(2, Entry::Started { boot: 4 });
        self.record(2, session(false, epoch));
        self.record(1, session(true, epoch));
        let tells = there.batch(self, Kind::Tell, &[1, 2, 3]);
        self.record(1, Entry::Sent(tells.clone()));
        self.record(2, Entry::Received(received(&tells)));
        self.record(1, ended(&tells, Fate::Taken));
        self.anchor_ledgers(&[1]);
        let ask = there.batch(self, Kind::Ask, &[4]);
        self.record(1, Entry::Sent(ask.clone()));
        self.record(2, Entry::Received(received(&ask)));
        let answer = back.batch(self, Kind::Answer, &[4]);
        self.record(2, Entry::Sent(answer.clone()));
        self.record(1, Entry::Received(received(&answer)));
        self.anchor_ledgers(&[2]);
        let lost = there.batch(self, Kind::Tell, &[5]);
        self.record(1, Entry::Sent(lost.clone()));
        self.record(1, ended(&lost, Fate::Unknown));
        self.record(1, local());
        let denied = Denied { decision: decision(80), message: Some(message(6)), verdict: vec![1, 2, 3] };
        self.record(1, Entry::Denied(denied));
        self.anchor_ledgers(&[2, 1]);
        self.anchor_ledgers(&[2, 1]);
        self.record(1, Entry::Gap { lost: 2 });
        self.record(2, Entry::Started { boot: 5 });
    }

    fn record(&mut self, number: u8, entry: Entry) {
        let lines = self.ledgers.entry(node(number)).or_default();
        let previous = lines.last().map_or_else(Hash::default, |line| line.hash);
        let number = lines.len() as u64 + 1;
        lines.push(Line::chained(number, TALK_MS + 100_000 * number, entry, previous));
    }

    /// Links the lines of a ledger anew, as whoever changed some would have to.
    pub fn relink_ledger(&mut self, number: u8) {
        let mut previous = Hash::default();
        for (at, line) in (1..).zip(self.ledgers.get_mut(&node(number)).expect("it has one")) {
            *line = Line::chained(at, line.time_ms, line.entry.clone(), previous);
            previous = line.hash;
        }
    }

    pub fn lines_of(&mut self, number: u8) -> &mut Vec<Line> {
        self.ledgers.get_mut(&node(number)).expect("it has one")
    }
}

/// What comes of ledgers that an exporter changed, linked anew and signed.
fn forged(change: impl FnOnce(&mut World)) -> Failure {
    let mut world = World::full(0xc1, "symbi");
    change(&mut world);
    for number in [1, 2] {
        world.relink_ledger(number);
    }
    verify(world.bundle().as_slice(), Some(&world.anchor())).expect_err("forged")
}

#[test]
fn what_both_ledgers_say_is_counted() {
    let world = World::full(0xc1, "symbi");
    let found = verify(world.bundle().as_slice(), Some(&world.anchor())).expect("whole").ledgers;
    let entries = world.ledgers.values().map(|lines| lines.len() as u64).sum::<u64>();
    assert_eq!((found.ledgers, found.entries, found.unanchored), (2, entries, 2));
    assert_eq!((found.two_sided, found.unconfirmed, found.one_sided, found.excused), (3, 1, 0, 0));
    // Each of three on both sides, and the one that did not arrive on one.
    assert_eq!((found.attested, found.unverified, found.unattested), (7, 0, 0));
    let missing: Vec<_> = found.missing.iter().map(|ledger| (ledger.node.as_str(), ledger.entries)).collect();
    assert_eq!(BTreeSet::from_iter(missing), BTreeSet::from([("n3", 0), ("n4", 0)]));
}

#[test]
fn a_ledger_whose_end_is_cut_is_refused_by_a_message_that_only_the_other_has() {
    let whole = World::full(0xc1, "symbi");
    // Of node 2 all from its first received batch on: node 1 was told that it took the first tell. Of node 1 all from its
    // first sent batch on: node 2 has received it.
    for (number, cut_at, has, lacks) in [(2, "received", "n1", "n2"), (1, "sent", "n2", "n1")] {
        let mut world = whole.clone();
        let at = world.lines_of(number).iter().position(|line| line.entry.name() == cut_at).expect("there is one");
        world.lines_of(number).truncate(at);
        let failure = verify(world.bundle().as_slice(), Some(&world.anchor())).expect_err("cut");
        let message = symbi_audit::Uuid(*message(1).0.as_bytes());
        let (has, lacks) = (has.to_owned(), lacks.to_owned());
        assert_eq!(failure.what, What::OneSided { message, has, lacks }, "{failure}");
        assert!(failure.to_string().contains("is one-sided"), "{failure}");
    }
}

#[test]
fn a_ledger_cut_where_nothing_else_speaks_of_it_is_refused_by_its_anchor() {
    let mut world = World::full(0xc1, "symbi");
    let anchored = world.lines_of(1).len() - 1;
    world.lines_of(1).truncate(anchored - 1);
    let failure = verify(world.bundle().as_slice(), None).expect_err("cut");
    let (entries, anchored) = (anchored as u64 - 1, anchored as u64);
    assert!(
        matches!(failure.what, What::Cut { entries: one, anchored: other, .. } if (one, other) == (entries, anchored)),
        "{failure}"
    );
}

#[test]
fn what_a_missing_ledger_would_have_is_counted_and_not_refused() {
    let mut world = World::full(0xc1, "symbi");
    world.ledgers.remove(&node(2));
    let found = verify(world.bundle().as_slice(), Some(&world.anchor())).expect("n2 could not be reached").ledgers;
    assert_eq!((found.two_sided, found.one_sided, found.unconfirmed), (0, 3 - 1, 2));
    let missing: BTreeSet<_> = found.missing.iter().map(|ledger| (ledger.node.as_str(), ledger.entries > 0)).collect();
    assert_eq!(
        missing,
        BTreeSet::from([("n2", true), ("n3", false), ("n4", false)]),
        "how far it was anchored is known"
    );
}

#[test]
fn a_line_changed_and_linked_anew_is_not_what_was_anchored_or_signed() {
    let refused = |number: u8, kind: &str, change: fn(&mut Entry)| {
        forged(|world| {
            let line = world.lines_of(number).iter_mut().find(|line| line.entry.name() == kind);
            change(&mut line.expect("there is one").entry);
        })
    };
    let anchored = |failure: Failure| assert!(matches!(failure.what, What::NotAnchored { .. }), "{failure}");
    anchored(refused(1, "started", |entry| *entry = Entry::Started { boot: 9 }));
    anchored(refused(1, "local", |entry| *entry = Entry::Gap { lost: 1 }));
    anchored(refused(1, "denied", |entry| {
        if let Entry::Denied(denied) = entry {
            denied.verdict.push(4);
        }
    }));
    anchored(refused(2, "received", |entry| of(entry).messages[1].fate = Fate::Refused));
    let root = |failure: Failure| assert_eq!(failure.what, What::BatchRoot, "{failure}");
    root(refused(2, "received", |entry| of(entry).messages[0].message = message(9)));
    root(refused(1, "sent", |entry| of(entry).messages[0].header = Hash([1; 32])));
    root(refused(1, "sent", |entry| of(entry).messages[0].kind = Kind::Ask));
    let signature = |failure: Failure| assert!(matches!(failure.what, What::BatchSignature { .. }), "{failure}");
    signature(refused(1, "sent", |entry| said(entry).signature[5] ^= 1));
    signature(refused(1, "sent", |entry| said(entry).policy_set = PolicyNumber(2)));
    signature(refused(2, "received", |entry| said(entry).time_ms += 1));
    signature(refused(1, "sent", |entry| said(entry).batch = 1));
    signature(refused(1, "sent", |entry| said(entry).previous = Hash([1; 32])));
}

fn of(entry: &mut Entry) -> &mut MessageBatch {
    match entry {
        Entry::Sent(batch) | Entry::Received(batch) => batch,
        other => panic!("{other:?}"),
    }
}

fn said(entry: &mut Entry) -> &mut Attestation {
    of(entry).attestation.as_mut().expect("it is signed")
}

#[test]
fn a_credential_vouches_for_one_bearer_at_one_place() {
    let refused = |change: fn(&mut Session)| {
        let failure = forged(|world| {
            for line in world.lines_of(1) {
                if let Entry::Session(session) = &mut line.entry {
                    change(session);
                }
            }
        });
        assert!(matches!(failure.what, What::Credential(_)), "{failure}");
    };
    refused(|session| session.credential.push('A'));
    refused(|session| session.credential = session.peer_credential.clone());
    refused(|session| session.credential = credential(3, (GATEWAY, AGENT), 0));
    refused(|session| session.credential = credential(1, ("gateway-n2", AGENT), 0));
    refused(|session| session.peer_credential = credential(2, (AGENT, GATEWAY), 77));
    refused(|session| session.peer_epoch = Epoch(77));
    refused(|session| session.peer = node(1));
    refused(|session| "someone".clone_into(&mut session.name));
}

#[test]
fn a_ledger_that_begins_late_must_have_let_go_enough() {
    let mut world = World::full(0xc1, "symbi");
    world.lines_of(2).remove(0);
    let failure = verify(world.bundle().as_slice(), None).expect_err("its first line is missing");
    assert!(matches!(failure.what, What::Number { found: 2, wanted: 1 }), "{failure}");
    world.let_go.insert(node(2), (1, Hash::default(), vec![Hash([1; 32])]));
    let failure =
        verify(world.bundle().as_slice(), None).expect_err("nothing was anchored there, and too little is kept");
    assert_eq!(failure.what, What::LetGo { after: 1 });
}

/// A cluster in which node 2 has lost what it took in, and what its ledger says next.
fn lost_by_node_2(next: Entry) -> World {
    let mut world = World::placed(0xc1, "symbi");
    let epoch = world.epoch_of(AGENT);
    let mut there = Direction { from: 1, sender: GATEWAY, epoch: 0, batch: 0, sequence: 0, previous: Hash::default() };
    world.record(1, Entry::Started { boot: 1 });
    world.record(2, Entry::Started { boot: 4 });
    world.record(1, session(true, epoch));
    world.record(2, session(false, epoch));
    let told = there.batch(&world, Kind::Tell, &[1]);
    world.record(1, Entry::Sent(told.clone()));
    world.record(1, ended(&told, Fate::Taken));
    world.record(2, next);
    world.anchor_ledgers(&[1, 2]);
    world
}

#[test]
fn what_a_node_lost_when_its_power_was_cut_is_excused_because_its_ledger_says_so() {
    let world = lost_by_node_2(Entry::Started { boot: 5 });
    let found = verify(world.bundle().as_slice(), None).expect("it has started again").ledgers;
    assert_eq!((found.excused, found.unconfirmed), (1, 0));
    let world = lost_by_node_2(local());
    let failure = verify(world.bundle().as_slice(), None).expect_err("nothing says that it was away");
    assert!(matches!(failure.what, What::OneSided { .. }), "{failure}");
}

/// Node 2 has `count` batches of one message each, in the order `order`.
fn in_order(count: u64, order: &[usize]) -> World {
    let mut world = World::placed(0xc1, "symbi");
    let epoch = world.epoch_of(AGENT);
    let mut there = Direction { from: 1, sender: GATEWAY, epoch: 0, batch: 0, sequence: 0, previous: Hash::default() };
    world.record(1, session(true, epoch));
    world.record(2, session(false, epoch));
    let batches: Vec<_> = (1..=count).map(|id| there.batch(&world, Kind::Tell, &[id])).collect();
    batches.iter().for_each(|batch| world.record(1, Entry::Sent(batch.clone())));
    order.iter().for_each(|at| world.record(2, Entry::Received(received(&batches[*at]))));
    world.anchor_ledgers(&[1, 2]);
    world
}

#[test]
fn batches_may_be_recorded_out_of_order_but_none_may_be_left_out() {
    let world = in_order(4, &[1, 0, 3, 2]);
    let found = verify(world.bundle().as_slice(), None).expect("all are there").ledgers;
    assert_eq!((found.two_sided, found.attested), (4, 8));
    for order in [&[0, 2, 3][..], &[1, 0, 1], &[0, 0]] {
        let failure = verify(in_order(4, order).bundle().as_slice(), None).expect_err("left out or repeated");
        assert!(matches!(failure.what, What::BatchLink { .. }), "{order:?}: {failure}");
    }
}

#[test]
fn a_message_of_which_no_signature_came_is_there_without_one() {
    let mut world = World::placed(0xc1, "symbi");
    let epoch = world.epoch_of(AGENT);
    let mut there = Direction { from: 1, sender: GATEWAY, epoch: 0, batch: 0, sequence: 0, previous: Hash::default() };
    world.record(1, session(true, epoch));
    world.record(2, session(false, epoch));
    let told = there.batch(&world, Kind::Tell, &[1]);
    world.record(1, Entry::Sent(told.clone()));
    world.record(1, ended(&told, Fate::Taken));
    world.record(2, Entry::Received(MessageBatch { attestation: None, ..received(&told) }));
    world.anchor_ledgers(&[1, 2]);
    let found = verify(world.bundle().as_slice(), None).expect("authenticated, and no more").ledgers;
    assert_eq!((found.unattested, found.unconfirmed, found.two_sided), (1, 1, 0));
}
