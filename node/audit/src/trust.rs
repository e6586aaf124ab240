//! Checkpoints, held against the chain, and the trust that passes from one set of voters to the next.
//!
//! It begins with the first node alone, at the genesis. A checkpoint may name other voters than those who rule only after these
//! have witnessed, by a majority, the checkpoint that named the others. A checkpoint is witnessed when a majority of each set
//! that it names has signed it.

use crate::failure::{Failure, What};
use crate::hex::Hex;
use crate::line::{Checkpoint, Cluster};
use std::collections::{BTreeSet, VecDeque};

/// Where the chain is after an entry.
#[derive(Debug)]
pub(crate) struct Place {
    /// How many records there are from the genesis on.
    pub(crate) size: u64,
    /// The RFC 6962 root over them.
    pub(crate) root: Hex<32>,
    /// The hash of the last of them.
    pub(crate) head: Hex<32>,
    /// The line of the entry's last record.
    pub(crate) line: u64,
    /// The entry's index.
    pub(crate) index: u64,
    /// The entry's term.
    pub(crate) term: u64,
    /// Log time.
    pub(crate) time_ms: u64,
}

/// What an entry's records say of voters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Voting {
    /// What took effect, in order.
    pub(crate) changes: Vec<Change>,
    /// Whether there was a record about voters, whatever its outcome.
    pub(crate) is_about_voters: bool,
}

/// A change of voters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The cluster was made: its first node is its only voter.
    Founded(Hex<32>),
    /// The voters to come are named.
    Next(Vec<Hex<32>>),
    /// Those who were named rule alone.
    Settled(Vec<Hex<32>>),
    /// Those who rule stay.
    Aborted,
}

/// The last checkpoint that was witnessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// How many records it covers, from the genesis on.
    pub records: u64,
    /// Its log time, ms since the Unix epoch.
    pub time_ms: u64,
    /// How many of its voters have signed it.
    pub by: u64,
    /// How many voters it names.
    pub of: u64,
}

/// The voters whose keys the fewest of which could have written another history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakest {
    /// So many of their keys are enough.
    pub keys: u64,
    /// The voters' names.
    pub voters: Vec<String>,
    /// Up to this record the chain rests on them.
    pub until: u64,
}

/// The time during which one set of voters ruled, as far as witnessed checkpoints show it.
#[derive(Debug)]
struct Reign {
    /// The voters.
    voters: Vec<Hex<32>>,
    /// How many records the last checkpoint covers that rests on them: the first one of those after them, or their own last.
    until: u64,
}

/// The check of the checkpoints under way.
///
/// Invariants:
/// - checkpoints are taken in the order of their sizes, each when the chain has come to it;
/// - nobody but the first node rules whom those before have not witnessed.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// The checkpoints to come, each with its line.
    coming: VecDeque<(Checkpoint, u64)>,
    /// The generation that they must have.
    generation: u64,
    /// The group that they must have.
    group: u64,
    /// The checkpoint that was kept elsewhere.
    pin: Option<Hex<32>>,
    /// Whether it was among them; true if there is none.
    is_pinned: bool,
    /// Who rules.
    ruling: Vec<Hex<32>>,
    /// Who is named to follow, and whether those who rule have witnessed it.
    next: Option<(Vec<Hex<32>>, bool)>,
    /// Whether each set so far was witnessed by the one before it.
    is_proved: bool,
    /// The digest of the last hop; none when it is not in the bundle.
    hop: Option<Hex<32>>,
    /// The gate of the last checkpoint.
    gate: u64,
    /// The last that was witnessed.
    witnessed: Option<Witnessed>,
    /// Who ruled, from the pin on.
    reigns: Vec<Reign>,
}

impl Trust {
    /// The check of these checkpoints, each with its line, of a group and a generation; one of them must be the pin's.
    pub(crate) fn new(
        checkpoints: VecDeque<(Checkpoint, u64)>,
        (group, generation): (u64, u64),
        pin: Option<Hex<32>>,
    ) -> Self {
        let hop = Some(Hex([0; 32]));
        Self {
            coming: checkpoints,
            generation,
            group,
            pin,
            is_pinned: pin.is_none(),
            is_proved: true,
            hop,
            ..Self::default()
        }
    }

    /// Whether the end of an entry after so many records matters here: then its root is needed.
    pub(crate) fn wants(&self, size: u64) -> bool {
        self.coming.front().is_some_and(|(checkpoint, _)| checkpoint.size <= size)
    }

    /// Takes the end of an entry: what it changed, and the checkpoint that was closed there, if it is in the bundle.
    pub(crate) fn entry(&mut self, cluster: Cluster, place: &Place, voting: Voting) -> Result<(), Failure> {
        let is_hop = !voting.changes.is_empty();
        for change in voting.changes {
            self.change(change).map_err(|what| Failure { line: place.line, what })?;
        }
        match self.coming.front().map(|(checkpoint, line)| (checkpoint.size, *line)) {
            Some((size, line)) if size < place.size => Err(Failure { line, what: What::CheckpointPlace { size } }),
            Some((size, line)) if size == place.size => {
                let Some((checkpoint, _)) = self.coming.pop_front() else { return Ok(()) };
                let may_hop = (is_hop, is_hop || voting.is_about_voters);
                self.checkpoint(cluster, place, &checkpoint, may_hop).map_err(|what| Failure { line, what })
            }
            _ => {
                if is_hop {
                    self.hop = None;
                }
                Ok(())
            }
        }
    }

    /// Ends it: the last witnessed checkpoint, and the weakest voters since the pin.
    pub(crate) fn end(
        &self,
        name: impl Fn(&Hex<32>) -> String,
    ) -> Result<(Option<Witnessed>, Option<Weakest>), Failure> {
        if let Some((checkpoint, line)) = self.coming.front() {
            return Err(Failure { line: *line, what: What::CheckpointPlace { size: checkpoint.size } });
        }
        if !self.is_pinned {
            return Err(Failure { line: 1, what: What::Pin });
        }
        let weakest = self.reigns.iter().min_by_key(|reign| majority(&reign.voters));
        let weakest = weakest.map(|reign| Weakest {
            keys: majority(&reign.voters),
            voters: reign.voters.iter().map(name).collect(),
            until: reign.until,
        });
        Ok((self.witnessed.clone(), weakest))
    }

    fn change(&mut self, change: Change) -> Result<(), What> {
        match change {
            Change::Founded(node) => self.ruling = vec![node],
            Change::Next(voters) => self.next = Some((voters, false)),
            Change::Aborted => self.next = None,
            Change::Settled(voters) => match self.next.take() {
                Some((named, is_witnessed)) if named == voters => {
                    self.ruling = named;
                    self.is_proved &= is_witnessed;
                }
                _ => return Err(What::Field { kind: "audit.voters", field: "voters" }),
            },
        }
        Ok(())
    }

    fn checkpoint(
        &mut self,
        cluster: Cluster,
        place: &Place,
        checkpoint: &Checkpoint,
        (is_hop, may_be_hop): (bool, bool),
    ) -> Result<(), What> {
        let fields = [
            (checkpoint.generation == self.generation, "generation"),
            (checkpoint.group == self.group, "group"),
            (checkpoint.gate >= self.gate, "gate"),
            (checkpoint.root == place.root, "root"),
            (checkpoint.head == place.head, "head"),
            (checkpoint.index == place.index, "index"),
            (checkpoint.term == place.term, "term"),
            (checkpoint.time_ms == place.time_ms, "time"),
            (checkpoint.next.as_ref() == self.next.as_ref().map(|(next, _)| next), "next voters"),
            (checkpoint.hops == is_hop || checkpoint.hops && may_be_hop, "being a hop"),
        ];
        if let Some((_, field)) = fields.iter().find(|(same, _)| !same) {
            return Err(What::Checkpoint(field));
        }
        if self.hop != Some(checkpoint.hop) {
            return Err(What::Hop);
        }
        self.check_voters(checkpoint)?;
        let digest = checkpoint.digest(cluster);
        let signers = signers(checkpoint, &digest)?;
        if checkpoint.voters.iter().all(|set| is_majority(set, &signers)) {
            self.witnessed(checkpoint, &signers);
        }
        if checkpoint.hops {
            self.hop = Some(digest);
        }
        if self.pin == Some(digest) {
            self.is_pinned = true;
            self.reigns.clear();
            self.reigns.push(Reign { voters: checkpoint.voters[0].clone(), until: checkpoint.size });
        }
        self.gate = checkpoint.gate;
        Ok(())
    }

    /// Those whom it names rule, or follow with the word of those who do.
    fn check_voters(&self, checkpoint: &Checkpoint) -> Result<(), What> {
        let rises = |set: &Vec<Hex<32>>| !set.is_empty() && set.windows(2).all(|pair| pair[0] < pair[1]);
        if !checkpoint.voters.iter().chain(&checkpoint.next).all(rises) {
            return Err(What::Checkpoint("voters"));
        }
        let holds = match (checkpoint.voters.as_slice(), &self.next) {
            ([ruling], _) => *ruling == self.ruling,
            ([ruling, next], Some((named, is_witnessed))) => *ruling == self.ruling && next == named && *is_witnessed,
            _ => false,
        };
        if holds && self.is_proved { Ok(()) } else { Err(What::Voters) }
    }

    /// A checkpoint that a majority of each of its sets has signed.
    fn witnessed(&mut self, checkpoint: &Checkpoint, signers: &BTreeSet<Hex<32>>) {
        let all: BTreeSet<&Hex<32>> = checkpoint.voters.iter().flatten().collect();
        self.witnessed = Some(Witnessed {
            records: checkpoint.size,
            time_ms: checkpoint.time_ms,
            by: all.iter().filter(|voter| signers.contains(**voter)).count() as u64,
            of: all.len() as u64,
        });
        if checkpoint.hops
            && let Some((_, is_witnessed)) = &mut self.next
        {
            *is_witnessed = true;
        }
        if let Some(last) = self.reigns.last_mut() {
            last.until = checkpoint.size;
        }
        if self.reigns.last().is_none_or(|last| last.voters != self.ruling) {
            self.reigns.push(Reign { voters: self.ruling.clone(), until: checkpoint.size });
        }
    }
}

/// How many of a set are more than its half.
fn majority(voters: &[Hex<32>]) -> u64 {
    voters.len() as u64 / 2 + 1
}

fn is_majority(voters: &[Hex<32>], signers: &BTreeSet<Hex<32>>) -> bool {
    voters.iter().filter(|voter| signers.contains(*voter)).count() as u64 >= majority(voters)
}

/// Who has signed a checkpoint; every signature must be what it says.
fn signers(checkpoint: &Checkpoint, digest: &Hex<32>) -> Result<BTreeSet<Hex<32>>, What> {
    let mut signers = BTreeSet::new();
    for (node, signature) in &checkpoint.witnesses {
        let rises = signers.last().is_none_or(|last| last < node);
        if !rises || !checkpoint.is_signed(digest, node, signature) {
            return Err(What::Witness { node: *node });
        }
        signers.insert(*node);
    }
    Ok(signers)
}
