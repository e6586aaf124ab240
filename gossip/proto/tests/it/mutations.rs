//! Ten thousand frames that were changed, repeated, cut, put together from parts, or brought to where they do not belong: each
//! is refused, and what was true is still taken after it.
//!
//! A seed and the number of a case give everything. Each case is one flush of agent 1 to agent 2, some messages and the
//! signature over them, and one thing wrong with it.

use crate::fixture::{cluster, cnf, header, key, party};
use crate::seeds::seeds;
use ed25519_dalek::{Signer, VerifyingKey};
use std::collections::BTreeMap;
use symbi_model::hash::{put_bytes, put_u64};
use symbi_model::ledger::{Attestation, leaf};
use symbi_model::planted::{self, Defect};
use symbi_model::{Epoch, Hash, PolicyNumber};
use symbi_proto::Error;
use symbi_proto::session::batch::{Attestor, Direction};
use symbi_proto::session::{Id, Initiator, Party, Said, Sealed, Session, respond};

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A batch before the one that it follows, or the parts of a message in another order.
    Reorder,
    /// A message or a batch that came before.
    Replay,
    /// Its end is missing.
    Truncate,
    /// Parts of two.
    Splice,
    /// One of another session between the same two.
    CrossSession,
    /// One for another receiver.
    CrossRecipient,
    /// One of another incarnation, or of another epoch.
    CrossEpoch,
    /// Some bits are others.
    Flip,
}

const KINDS: [Kind; 8] = [
    Kind::Reorder,
    Kind::Replay,
    Kind::Truncate,
    Kind::Splice,
    Kind::CrossSession,
    Kind::CrossRecipient,
    Kind::CrossEpoch,
    Kind::Flip,
];
/// Cases of each kind.
const EACH: u64 = 1_250;
/// Cases that share their sessions.
const SHARED: u64 = 50;
/// The seed of the test.
const SEED: u64 = 4;
/// The epoch of agent 1.
const EPOCH: Epoch = Epoch(3);

/// SplitMix64 (Steele, Lea & Flood, Fast Splittable Pseudorandom Number Generators).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut out = self.0;
        out = (out ^ (out >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        out = (out ^ (out >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out ^ (out >> 31)
    }

    /// Below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    fn bytes(&mut self, longest: usize) -> Vec<u8> {
        (0..self.below(longest + 1)).map(|_| self.next().to_be_bytes()[0]).collect()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_be_bytes()[0])
    }
}

/// A session, from its sender to its receiver.
struct Line {
    /// The sender's side.
    from: Session,
    /// The receiver's side.
    to: Session,
    /// The receiver, by number.
    receiver: u8,
    /// The key of the sender's incarnation, by number.
    incarnation: u8,
}

/// What one flush sends.
#[derive(Clone)]
struct Flush {
    /// The messages.
    messages: Vec<Sealed>,
    /// The signature over them.
    attestation: Attestation,
}

/// The sessions of some cases.
struct Scene {
    /// Where the cases happen: agent 1 to agent 2.
    line: Line,
    /// Another session of the same two.
    sibling: Line,
    /// Agent 1 to agent 3.
    aside: Line,
    /// An earlier incarnation of agent 1 to agent 2, under the same id.
    earlier: Line,
    /// What else agent 1 might have signed of what it said in `line`: a chain of its own.
    shadow: Attestor,
    /// All that was taken in `line`.
    taken: Vec<Flush>,
}

fn line(random: &mut Random, receiver: u8, incarnation: u8, id: Id) -> Line {
    let sender = Party { signing_key: key(incarnation), ..party(1, receiver) };
    let (initiator, hello) = Initiator::start(sender, random.array(), random.array(), id);
    let cnf_of_one = key(incarnation).verifying_key().to_bytes();
    let (to, reply) =
        respond(party(receiver, 1), &hello, &cnf_of_one, random.array(), random.array()).expect("a good hello");
    Line { from: initiator.finish(&reply, &cnf(receiver)).expect("a good reply"), to, receiver, incarnation }
}

impl Line {
    fn public(&self) -> VerifyingKey {
        key(self.incarnation).verifying_key()
    }

    fn flush(&mut self, random: &mut Random) -> Flush {
        let count = 1 + random.below(4);
        let messages: Vec<Sealed> = (0..count)
            .map(|_| self.from.seal(&header(1, self.receiver), &random.bytes(200)).expect("sealed"))
            .collect();
        let said = Said { epoch: EPOCH, policy_set: PolicyNumber(1), time_ms: random.next() >> 20 };
        let attestation = self.from.attest(&key(self.incarnation), &said).expect("something was sealed");
        Flush { messages, attestation }
    }

    fn take(&mut self, flush: &Flush) -> Result<(), Error> {
        flush.messages.iter().try_for_each(|message| self.to.open(&message.bytes).map(drop))?;
        self.claim(&flush.attestation, EPOCH)
    }

    /// Claims and verifies.
    fn claim(&mut self, attestation: &Attestation, epoch: Epoch) -> Result<(), Error> {
        let public = self.public();
        self.to.claim(&public, epoch, attestation)?.verify(&public).map(drop)
    }
}

impl Scene {
    fn new(random: &mut Random) -> Self {
        let id = Id(random.array());
        let direction = Direction { cluster: cluster(), sender: "agent-1".to_owned(), session: id };
        let (line, other) = (line(random, 2, 101, id), Id(random.array()));
        let sibling = self::line(random, 2, 101, other);
        let (aside, earlier) = (self::line(random, 3, 101, id), self::line(random, 2, 111, id));
        let mut scene = Self { line, sibling, aside, earlier, shadow: Attestor::new(direction), taken: Vec::new() };
        let (first, _) = scene.flush(random);
        scene.line.take(&first).expect("the first flush");
        scene.taken.push(first);
        scene
    }

    /// A flush of the line, and what the shadow signs of the same messages.
    fn flush(&mut self, random: &mut Random) -> (Flush, Attestation) {
        let flush = self.line.flush(random);
        for message in &flush.messages {
            let told = header(1, 2);
            self.shadow.hold(message.sequence, leaf(message.sequence, told.kind, told.message, &message.header));
        }
        let said = Said { epoch: EPOCH, policy_set: PolicyNumber(1), time_ms: flush.attestation.time_ms + 1 };
        (flush, self.shadow.attest(&key(101), &said).expect("something was held"))
    }
}

/// What a mutated frame came to.
enum Came {
    /// It was refused, and the true one is to be taken after it.
    Refused,
    /// It was refused by its signature, after which a receiver closes the session.
    Closed,
    /// It was taken.
    Taken,
}

fn attestation(line: &mut Line, attestation: &Attestation, epoch: Epoch) -> Came {
    match line.claim(attestation, epoch) {
        Ok(()) => Came::Taken,
        Err(Error::SignatureWrong) => Came::Closed,
        Err(_) => Came::Refused,
    }
}

/// One case: a flush, something wrong with it, and then the flush as it is. False if the scene is over.
fn case(scene: &mut Scene, kind: Kind, random: &mut Random) -> Result<bool, String> {
    let (flush, shadow) = scene.flush(random);
    let of_message = random.below(2) == 0;
    let (mut after, mut follows) = (Some(flush.clone()), None);
    let came = if of_message {
        mutated_message(scene, kind, &flush, random)
    } else {
        for message in &flush.messages {
            scene.line.to.open(&message.bytes).map_err(|error| format!("a true message: {error}"))?;
        }
        after = Some(Flush { messages: Vec::new(), ..flush.clone() });
        follows = (kind == Kind::Reorder).then(|| scene.flush(random).0);
        let claimed = follows.as_ref().map(|follows| follows.attestation.clone());
        let changed = claimed.unwrap_or_else(|| mutated_attestation(scene, kind, &flush, shadow, random));
        let epoch = if changed == flush.attestation { Epoch(EPOCH.0 + 1) } else { EPOCH };
        attestation(&mut scene.line, &changed, epoch)
    };
    match came {
        Came::Taken => return Err(format!("a mutated {} was taken", if of_message { "message" } else { "batch" })),
        Came::Closed => return Ok(false),
        Came::Refused => {}
    }
    for due in [after, follows.clone()].into_iter().flatten() {
        let taken = scene.line.take(&due);
        taken.map_err(|error| format!("what is true was not taken any more: {error}"))?;
    }
    scene.taken.extend([Some(flush), follows].into_iter().flatten());
    Ok(true)
}

fn mutated_message(scene: &mut Scene, kind: Kind, flush: &Flush, random: &mut Random) -> Came {
    let whole = &flush.messages[random.below(flush.messages.len())].bytes;
    let at = 1 + random.below(whole.len() - 1);
    let mut changed = match kind {
        Kind::Reorder => [&whole[at..], &whole[..at]].concat(),
        Kind::Replay => {
            let flush = &scene.taken[random.below(scene.taken.len())];
            flush.messages[random.below(flush.messages.len())].bytes.clone()
        }
        Kind::Truncate => whole[..at].to_vec(),
        Kind::Splice => spliced(scene, whole, random),
        Kind::CrossSession => scene.sibling.flush(random).messages[0].bytes.clone(),
        Kind::CrossRecipient => {
            if scene.aside.to.open(whole).is_ok() {
                return Came::Taken;
            }
            scene.aside.flush(random).messages[0].bytes.clone()
        }
        Kind::CrossEpoch => scene.earlier.flush(random).messages[0].bytes.clone(),
        Kind::Flip => flipped(whole, random),
    };
    if changed == *whole {
        changed.push(0);
    }
    if scene.line.to.open(&changed).is_err() { Came::Refused } else { Came::Taken }
}

/// The head of one message with the tail of another.
fn spliced(scene: &Scene, whole: &[u8], random: &mut Random) -> Vec<u8> {
    let flush = &scene.taken[random.below(scene.taken.len())];
    let other = &flush.messages[random.below(flush.messages.len())].bytes;
    // Half of the time just where the ciphertexts begin: before it, the two may have equal lengths.
    let head = match random.below(2) {
        0 => 2 + usize::from(u16::from_be_bytes([whole[0], whole[1]])) + 32,
        _ => 1 + random.below(whole.len() - 1),
    };
    [&whole[..head], &other[head.min(other.len())..]].concat()
}

/// `whole` with one to three bits that are others.
fn flipped(whole: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = whole.to_vec();
    for _ in 0..=random.below(3) {
        let bit = random.below(changed.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
    }
    changed
}

/// Another attestation than the flush's own; or that one, to be claimed under another epoch.
fn mutated_attestation(
    scene: &mut Scene,
    kind: Kind,
    flush: &Flush,
    shadow: Attestation,
    random: &mut Random,
) -> Attestation {
    let whole = &flush.attestation;
    match kind {
        Kind::Reorder => unreachable!("it takes two"),
        Kind::Replay => scene.taken[random.below(scene.taken.len())].attestation.clone(),
        Kind::Truncate => match random.below(2) {
            0 => Attestation { signature: whole.signature[..random.below(64)].to_vec(), ..whole.clone() },
            _ => Attestation { last: whole.last.wrapping_sub(1), ..whole.clone() },
        },
        // Signed by agent 1 itself, of the same messages: but of another history before them.
        Kind::Splice => shadow,
        Kind::CrossSession => {
            let other = scene.sibling.flush(random).attestation;
            Attestation { signature: other.signature, ..whole.clone() }
        }
        Kind::CrossRecipient => {
            let other = scene.aside.flush(random).attestation;
            Attestation { batch: whole.batch, first: whole.first, last: whole.last, previous: whole.previous, ..other }
        }
        Kind::CrossEpoch if random.below(2) == 0 => whole.clone(),
        Kind::CrossEpoch => resigned(scene, whole),
        Kind::Flip => flipped_attestation(whole, random),
    }
}

/// The same words, as the format has them, signed by the earlier incarnation.
fn resigned(scene: &Scene, attestation: &Attestation) -> Attestation {
    let forger = key(scene.earlier.incarnation);
    let mut said = b"symbi-batch-v1\0".to_vec();
    put_bytes(&mut said, cluster().0.as_bytes());
    put_bytes(&mut said, b"agent-1");
    put_bytes(&mut said, scene.line.public().as_bytes());
    put_bytes(&mut said, &scene.line.from.id().0);
    let Attestation { epoch, batch, first, last, root, previous, policy_set, time_ms, .. } = attestation;
    [epoch.0, *batch, *first, *last].into_iter().for_each(|number| put_u64(&mut said, number));
    put_bytes(&mut said, &root.0);
    put_bytes(&mut said, &previous.0);
    [policy_set.0, *time_ms].into_iter().for_each(|number| put_u64(&mut said, number));
    let verified = scene.line.public().verify_strict(&said, &attestation.signature.as_slice().try_into().expect("64"));
    verified.expect("agent 1 has signed just these bytes");
    Attestation { signature: forger.sign(&said).to_bytes().to_vec(), ..attestation.clone() }
}

fn flipped_attestation(whole: &Attestation, random: &mut Random) -> Attestation {
    let mut changed = whole.clone();
    let bit = random.below(64);
    let flip = |hash: &mut Hash| hash.0[bit / 2] ^= 1 << (bit % 8);
    match random.below(8) {
        0 => changed.batch ^= 1 << bit,
        1 => changed.first ^= 1 << bit,
        2 => changed.last ^= 1 << bit,
        3 => flip(&mut changed.root),
        4 => flip(&mut changed.previous),
        5 => changed.policy_set.0 ^= 1 << bit,
        6 => changed.time_ms ^= 1 << bit,
        _ => changed.signature[bit] ^= 1 << (bit % 8),
    }
    changed
}

/// Runs `each` cases of every kind; how many of each were refused.
fn refused(seed: u64, each: u64) -> Result<BTreeMap<Kind, u64>, String> {
    let (mut counts, mut scene) = (BTreeMap::new(), None);
    let mut setting = Random(seed);
    for number in 0..each * KINDS.len() as u64 {
        if number % SHARED == 0 {
            scene = None;
        }
        let here = scene.get_or_insert_with(|| Scene::new(&mut setting));
        let kind = KINDS[usize::try_from(number % KINDS.len() as u64).expect("one of a few")];
        let mut random = Random(seed ^ (number << 20));
        match case(here, kind, &mut random) {
            Ok(true) => {}
            Ok(false) => scene = None,
            Err(what) => return Err(format!("seed {seed}, case {number}, {kind:?}: {what}")),
        }
        *counts.entry(kind).or_default() += 1;
    }
    Ok(counts)
}

#[test]
fn ten_thousand_mutated_frames_are_refused() {
    for seed in seeds(SEED..SEED + 1) {
        let counts = refused(seed, EACH).unwrap_or_else(|what| panic!("{what}"));
        println!("refused: {counts:?}");
        assert!(counts.len() == KINDS.len() && counts.values().all(|count| *count == EACH), "{counts:?}");
    }
}

#[test]
fn without_the_check_of_a_signature_a_mutated_frame_is_taken() {
    planted::plant(Some(Defect::SignatureUnchecked));
    let found = refused(SEED, EACH).expect_err("a batch that nobody has signed");
    println!("{found}");
    assert!(found.contains("a mutated batch was taken"), "{found}");
}

#[test]
fn without_the_check_of_its_link_a_batch_of_another_history_is_taken() {
    planted::plant(Some(Defect::BatchLinkUnchecked));
    let found = refused(SEED, EACH).expect_err("a batch that follows another");
    println!("{found}");
    assert!(found.contains("Splice") && found.contains("a mutated batch was taken"), "{found}");
}
