//! Forgeries from a seed: a bundle is changed at will, linked and signed anew with the keys that somebody holds, and exported by
//! one of them. Each is refused, or its verdict says that what was changed rests on exactly those keys, or on the exporter.

use crate::chain::{ChainLine, POLICIES, World, node};
use crate::seeds::seeds;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use symbi_audit::{Hex, Origin, Record, Report, verify};

/// Forgeries of one seed.
const EACH: usize = 1_000;
/// Whose keys somebody may hold: nobody's, a stranger's, a removed node's, a member's, the first node's, a minority's of each set
/// of voters.
const HELD: [&[u8]; 7] = [&[], &[9], &[3], &[2], &[1], &[4], &[3, 9, 2]];

/// A bundle that is being forged.
struct Forgery<'w> {
    /// What it was.
    whole: &'w World,
    /// Another cluster.
    other: &'w World,
    /// What it is.
    world: World,
    /// The policies that it is exported with.
    policies: String,
    /// What was done, for people.
    done: Vec<String>,
    /// Whose keys are held.
    held: &'static [u8],
    /// Where from.
    random: StdRng,
}

impl<'w> Forgery<'w> {
    fn new(whole: &'w World, other: &'w World, seed: u64, number: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number as u64));
        let held = HELD.choose(&mut random).expect("there are some");
        let (world, policies) = (whole.clone(), POLICIES.to_owned());
        Self { whole, other, world, policies, done: Vec::new(), held, random }
    }

    fn at(&mut self) -> usize {
        self.random.random_range(0..self.world.chain.len())
    }

    /// Changes something, not caring whether it fits.
    fn change(&mut self) {
        let at = self.at();
        let kind = self.random.random_range(0..10);
        self.done.push(format!("{kind} at {at}"));
        match kind {
            0 | 1 => self.edit(at),
            2 => self.relabel(at),
            3 => self.world.chain.truncate(at.max(6)),
            4 => {
                let at = self.random.random_range(0..self.world.checkpoints.len());
                self.world.checkpoints.remove(at);
            }
            5 => self.raft(at),
            6 => drop(self.world.ledgers.remove(&node(1 + (at % 2) as u8))),
            7 => self.policies.push(' '),
            8 => {
                let from = at.min(self.other.chain.len() - 1);
                self.world.chain[at] = self.other.chain[from].clone();
            }
            _ => drop(self.world.chain.remove(at)),
        }
    }

    /// Edits a field of the batch or the record.
    fn edit(&mut self, at: usize) {
        let (field, node) =
            (self.random.random_range(0..8), Hex(node(*[1, 2, 4].choose(&mut self.random).expect("one")).0));
        match &mut self.world.chain[at] {
            ChainLine::Batch(batch) => match field {
                0 => batch.time_ms += 1,
                1 => batch.decided_term += 1,
                2 => batch.acts += 1,
                3 => batch.origin = node,
                4 => batch.count += 1,
                _ => batch.signature.0[field] ^= 1,
            },
            ChainLine::Record(record) => edit_record(record, field, node),
        }
    }

    /// Calls something something else.
    fn relabel(&mut self, at: usize) {
        if let ChainLine::Record(record) = &mut self.world.chain[at] {
            match at % 3 {
                0 => record.actor = "user:mallory".to_owned(),
                1 => record.subject = "agent:other".to_owned(),
                _ => record.kind = "agent.remove".to_owned(),
            }
        }
    }

    /// Replaces a batch and its records by as many of Raft's own, as far as there is one.
    fn raft(&mut self, at: usize) {
        let ChainLine::Batch(batch) = &self.world.chain[at] else { return };
        let (index, until) = (batch.index, at + 1 + batch.count.max(1) as usize);
        let Some(ChainLine::Record(first)) = self.world.chain.get(at + 1) else { return };
        let record = Record {
            index,
            origin: Origin::Raft,
            kind: "raft.blank".to_owned(),
            actor: "raft".to_owned(),
            subject: "group:0".to_owned(),
            details: BTreeMap::new(),
            request: String::new(),
            decision: String::new(),
            policy_set: 0,
            command: Hex([0; 32]),
            code: "DONE".to_owned(),
            values: BTreeMap::new(),
            position: 0,
            ..first.clone()
        };
        let until = until.min(self.world.chain.len());
        self.world.chain.splice(at..until, [ChainLine::Record(record)]);
    }

    /// Links and signs it anew as far as the held keys allow, and has it checked.
    fn checked(&mut self) -> Option<Report> {
        self.world.relink();
        let (batches, seals) = (self.random.random_bool(0.7), self.random.random_bool(0.7));
        self.done.push(format!("batches signed anew: {batches}, checkpoints: {seals}, with {:?}", self.held));
        if batches {
            self.world.resign(self.held);
            self.world.relink();
        }
        if seals {
            self.world.reseal(self.held);
        }
        let exporter = self.held.choose(&mut self.random).copied().unwrap_or(8);
        let bundle = self.world.exported(exporter, |_| {}, &self.policies);
        verify(bundle.as_slice(), Some(&self.whole.anchor())).ok()
    }

    /// How many records, from the genesis on, are what they were.
    fn untouched(&self) -> u64 {
        let hashes = |world: &World| -> Vec<Hex<32>> {
            let records = world.chain.iter().filter_map(|line| match line {
                ChainLine::Record(record) => Some(record),
                ChainLine::Batch(_) => None,
            });
            records.skip_while(|record| record.kind != "cluster.genesis").map(|record| record.hash).collect()
        };
        hashes(self.whole).iter().zip(&hashes(&self.world)).take_while(|(was, is)| was == is).count() as u64
    }

    /// What holds of a forgery that was accepted: it says whose word it is.
    fn is_named(&self, report: &Report) -> bool {
        let untouched = self.untouched();
        let witnessed = report.witnessed.as_ref().map_or(0, |witnessed| witnessed.records);
        let held: Vec<String> = self.held.iter().map(|number| format!("n{number}")).collect();
        let rests_on_held = report.weakest.as_ref().is_some_and(|weakest| {
            weakest.until > untouched && weakest.voters.iter().all(|voter| held.contains(voter))
        });
        let missing_are_named = self.whole.ledgers.keys().all(|id| {
            let name = format!("n{}", self.whole.members()[id]);
            self.world.ledgers.contains_key(id) || report.ledgers.missing.iter().any(|ledger| ledger.node == name)
        });
        (witnessed <= untouched || rests_on_held) && held.contains(&report.exporter) && missing_are_named
    }
}

fn edit_record(record: &mut Record, field: usize, node: Hex<32>) {
    match field {
        0 => record.code = if record.code == "DONE" { "REFUSED" } else { "DONE" }.to_owned(),
        1 => drop(record.values.insert("epoch".to_owned(), "7".to_owned())),
        2 => drop(record.details.insert("node".to_owned(), node.to_string())),
        3 => record.time_ms += 1,
        4 => record.term += 1,
        5 => record.decision.push('0'),
        6 => record.command.0[0] ^= 1,
        _ => record.origin = Origin::Node(node),
    }
}

#[test]
fn every_forgery_is_refused_or_named_as_resting_on_the_keys_that_were_used() {
    let (whole, other) = (World::full(0xc1, "symbi"), World::full(0xc2, "symbi"));
    let (mut refused, mut named) = (0, 0);
    for seed in seeds(0..1) {
        for number in 0..EACH {
            let mut forgery = Forgery::new(&whole, &other, seed, number);
            for _ in 0..forgery.random.random_range(1..=2) {
                forgery.change();
            }
            match forgery.checked() {
                None => refused += 1,
                Some(report) => {
                    named += 1;
                    assert!(
                        forgery.is_named(&report),
                        "forgery {number} of seed {seed}: {:?}, untouched to {}, and yet: {}",
                        forgery.done,
                        forgery.untouched(),
                        report.verdict()
                    );
                }
            }
        }
    }
    // Both must have been met: a test whose forgeries are all nonsense shows nothing.
    assert!(refused > 10 * named && named > EACH / 100, "{refused} refused, {named} named");
    println!("{refused} forgeries refused, {named} named");
}

/// The forgery that the format before this one let pass: an actor changed in the middle, all linked and exported anew by a member.
#[test]
fn an_actor_that_a_member_changed_is_refused() {
    let mut world = World::full(0xc1, "symbi");
    world.records_of("agent.create")[0].actor = "user:mallory".to_owned();
    world.relink();
    for held in [&[2][..], &[1, 2, 4]] {
        let mut world = world.clone();
        world.reseal(held);
        assert!(verify(world.bundle().as_slice(), Some(&world.anchor())).is_err(), "its origin has signed the act");
    }
}
