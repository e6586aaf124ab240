//! What a run has exercised, counted: a run that exercised nothing shows nothing.

use super::event::{Event, Seen};
use crate::history::{How, Kind};
use crate::oracle::RUNS_OUT_AFTER;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use symbi_model::Epoch;
use symbi_model::agent::AgentName;

/// The counts, in the order in which they are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Leaders after the first.
    LeaderChanges,
    /// Crashes.
    Crashes,
    /// Power cuts that met something in flight to a disk.
    InFlight,
    /// Those that left some of it, whole.
    Kept,
    /// Those that took some of it.
    Lost,
    /// Those that tore a record.
    Torn,
    /// Disks that took nothing for a while.
    Stalls,
    /// Disks that were full.
    DisksFull,
    /// Disks that have failed a node.
    DisksFailed,
    /// Nodes that could not go on, and said so.
    NodesStopped,
    /// Rings in which each node heard two others.
    Rings,
    /// Times that leadership was handed on.
    Transfers,
    /// Groups of five voters.
    FiveVoters,
    /// Hosts that were frozen, thawed, and judged again.
    JudgedAgain,
    /// States of one index on two hosts that were compared.
    Compared,
    /// Links held in one direction.
    OneWayHolds,
    /// Links that lost what was on them.
    Losses,
    /// Times in which a link was slow.
    SlowLinks,
    /// Wall clocks that jumped.
    ClockJumps,
    /// Policy sets after the first, by replica.
    PolicyChanges,
    /// Clocks that drifted apart.
    Drifts,
    /// Nodes removed.
    Removals,
    /// Removed nodes that were started again, and said that they were removed.
    TurnedAway,
    /// Placements after an agent's first.
    RePlacements,
    /// Effects refused by a gate.
    GateRefusals,
    /// Effects refused by a sink: they came from an instance that had been replaced.
    SinkRefusals,
    /// Effects that passed a gate after a later instance's had passed another: a frozen host's own gates cannot know.
    LatePassed,
    /// Writes acknowledged.
    Acked,
    /// Linearizable reads of shared keys.
    Reads,
    /// Writes of shared keys acknowledged.
    SharedWrites,
    /// Attempts at operations on shared keys of which nobody knows.
    Unsure,
    /// Asks answered.
    Answered,
    /// Asks that a policy denied.
    Denied,
    /// Asks that did not reach their receiver.
    NotDelivered,
    /// Asks that their receiver was not given in time.
    TooLate,
    /// Asks that their receiver had, and did not answer in time.
    TooLateDelivered,
    /// Asks of which nobody knows.
    Unknown,
    /// Messages sent in calm.
    SentInCalm,
    /// Tells given to their receiver.
    TellsGiven,
    /// Tells that a policy denied.
    TellsDenied,
    /// Tells that did not reach their receiver.
    TellsNotDelivered,
    /// Tells of which nobody knows.
    TellsUnknown,
    /// Messages sealed.
    Sealed,
    /// Sessions closed for want of a signature.
    Unattested,
    /// Ledgers' anchors agreed on.
    Anchors,
    /// Signatures on checkpoints of the audit chain.
    Signatures,
    /// Checkpoints that a node takes for witnessed.
    Witnessed,
    /// Changes of the voters, seen by a replica.
    Followed,
    /// Voters that could not sign for a while, with signatures forged in their names.
    Muted,
    /// Databases put back.
    PutBack,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 50] = [
        Self::LeaderChanges,
        Self::Crashes,
        Self::InFlight,
        Self::Kept,
        Self::Lost,
        Self::Torn,
        Self::Stalls,
        Self::DisksFull,
        Self::DisksFailed,
        Self::NodesStopped,
        Self::Rings,
        Self::Transfers,
        Self::FiveVoters,
        Self::JudgedAgain,
        Self::Compared,
        Self::OneWayHolds,
        Self::Losses,
        Self::SlowLinks,
        Self::ClockJumps,
        Self::Drifts,
        Self::PolicyChanges,
        Self::Removals,
        Self::TurnedAway,
        Self::RePlacements,
        Self::GateRefusals,
        Self::SinkRefusals,
        Self::LatePassed,
        Self::Acked,
        Self::Reads,
        Self::SharedWrites,
        Self::Unsure,
        Self::Answered,
        Self::Denied,
        Self::NotDelivered,
        Self::TooLate,
        Self::TooLateDelivered,
        Self::Unknown,
        Self::SentInCalm,
        Self::TellsGiven,
        Self::TellsDenied,
        Self::TellsNotDelivered,
        Self::TellsUnknown,
        Self::Sealed,
        Self::Unattested,
        Self::Anchors,
        Self::Signatures,
        Self::Witnessed,
        Self::Followed,
        Self::Muted,
        Self::PutBack,
    ];

    /// How it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LeaderChanges => "leader changes",
            Self::Crashes => "crashes",
            Self::InFlight => "power cuts with appends in flight",
            Self::Kept => "power cuts that kept records",
            Self::Lost => "power cuts that lost records",
            Self::Torn => "power cuts that tore a record",
            Self::Stalls => "disk stalls",
            Self::DisksFull => "disks full",
            Self::DisksFailed => "disks failed",
            Self::NodesStopped => "nodes stopped",
            Self::Rings => "rings",
            Self::Transfers => "leadership transfers",
            Self::FiveVoters => "groups of five voters",
            Self::JudgedAgain => "thawed hosts judged again",
            Self::Compared => "states compared",
            Self::OneWayHolds => "one-way holds",
            Self::Losses => "losses",
            Self::SlowLinks => "slow links",
            Self::ClockJumps => "clock jumps",
            Self::PolicyChanges => "policy sets applied",
            Self::Drifts => "clocks drifted",
            Self::Removals => "nodes removed",
            Self::TurnedAway => "removed nodes turned away",
            Self::RePlacements => "re-placements",
            Self::GateRefusals => "late effects refused by gates",
            Self::SinkRefusals => "late effects refused by sinks",
            Self::LatePassed => "late effects passed by frozen gates",
            Self::Acked => "writes acknowledged",
            Self::Reads => "linearizable reads",
            Self::SharedWrites => "writes to shared keys",
            Self::Unsure => "operations of unknown fate",
            Self::Answered => "asks answered",
            Self::Denied => "asks denied",
            Self::NotDelivered => "asks not delivered",
            Self::TooLate => "asks too late, not delivered",
            Self::TooLateDelivered => "asks too late, delivered",
            Self::Unknown => "asks of unknown outcome",
            Self::SentInCalm => "messages sent in calm",
            Self::TellsGiven => "tells given",
            Self::TellsDenied => "tells denied",
            Self::TellsNotDelivered => "tells not delivered",
            Self::TellsUnknown => "tells of unknown outcome",
            Self::Sealed => "messages sealed",
            Self::Unattested => "sessions closed unattested",
            Self::Anchors => "ledger anchors",
            Self::Signatures => "checkpoints signed",
            Self::Witnessed => "checkpoints witnessed",
            Self::Followed => "voters changed",
            Self::Muted => "voters that could not sign",
            Self::PutBack => "databases put back",
        }
    }
}

/// What was counted, and what it takes to count it.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// How often.
    counts: BTreeMap<What, u64>,
    /// Leaders seen, by term.
    leaders: BTreeSet<u64>,
    /// The highest epoch that has passed a gate, by agent.
    passed: BTreeMap<AgentName, Epoch>,
    /// Epochs seen, by agent.
    epochs: BTreeMap<AgentName, BTreeSet<Epoch>>,
    /// Who had the state of an index first.
    states: BTreeMap<u64, String>,
    /// When hosts that were thawed are judged again.
    thawed: BTreeMap<String, Duration>,
    /// Whether nothing is wrong with the world.
    calm: bool,
}

impl Counts {
    /// How often.
    #[must_use]
    pub fn of(&self, what: What) -> u64 {
        self.counts.get(&what).copied().unwrap_or(0)
    }

    /// All, with their names, in the order in which they are printed.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        What::ALL.into_iter().map(|what| (what.name(), self.of(what)))
    }

    pub(super) fn see(&mut self, seen: &Seen) {
        match seen.event {
            Event::Calm => self.calm = true,
            Event::Fault(_) => self.calm = false,
            _ => {}
        }
        let judged = self.thawed.extract_if(.., |_, from| *from <= seen.at).count();
        *self.counts.entry(What::JudgedAgain).or_default() += u64::try_from(judged).expect("few hosts");
        if let Event::Fault(text) = &seen.event {
            let again = text.strip_prefix("thaw ").map(|host| (host.to_owned(), seen.at + RUNS_OUT_AFTER));
            self.thawed.extend(again);
        }
        if let Event::Applied { index, .. } | Event::Published { index, .. } = &seen.event {
            let first = self.states.entry(*index).or_insert_with(|| seen.host.clone());
            *self.counts.entry(What::Compared).or_default() += u64::from(*first != seen.host);
        }
        if let Some(what) = self.what(&seen.event) {
            *self.counts.entry(what).or_default() += 1;
        }
    }

    fn what(&mut self, event: &Event) -> Option<What> {
        use symbi_host::Event as Effect;
        match event {
            Event::Role { term, role: symbi_raft::Role::Leader, .. } => {
                (self.leaders.insert(*term) && self.leaders.len() > 1).then_some(What::LeaderChanges)
            }
            Event::Placed { agent, epoch, .. } => {
                let epochs = self.epochs.entry(agent.clone()).or_default();
                (epochs.insert(*epoch) && epochs.len() > 1).then_some(What::RePlacements)
            }
            Event::Policies { number, .. } => (*number > 1).then_some(What::PolicyChanges),
            Event::Effect(Effect::EffectPassed { agent, epoch, .. }) => {
                let highest = self.passed.entry(agent.clone()).or_insert(*epoch);
                let late = epoch < highest;
                *highest = (*highest).max(*epoch);
                late.then_some(What::LatePassed)
            }
            Event::Effect(Effect::EffectRefused { .. }) => Some(What::GateRefusals),
            Event::Effect(Effect::SinkRefused { .. }) => Some(What::SinkRefusals),
            Event::Effect(Effect::SessionUnattested { .. }) => Some(What::Unattested),
            Event::Anchored { .. } => Some(What::Anchors),
            Event::Signed { .. } => Some(What::Signatures),
            Event::Witnessed { .. } => Some(What::Witnessed),
            Event::Follow { .. } => Some(What::Followed),
            Event::PutBack => Some(What::PutBack),
            Event::Acked { .. } => Some(What::Acked),
            Event::Saw { .. } => Some(What::Reads),
            Event::Wrote { .. } => Some(What::SharedWrites),
            Event::Unsure { .. } => Some(What::Unsure),
            Event::Stopped { .. } => Some(What::NodesStopped),
            Event::Given(given) if given.kind == Kind::Tell => Some(What::TellsGiven),
            Event::Sent(_) => self.calm.then_some(What::SentInCalm),
            Event::Ended { kind: Kind::Ask, how, .. } => of_ask(how),
            Event::Ended { kind: Kind::Tell, how, .. } => of_tell(how),
            Event::Sealed { .. } => Some(What::Sealed),
            Event::Fault(text) => of_fault(text),
            _ => None,
        }
    }
}

fn of_ask(how: &How) -> Option<What> {
    match how {
        How::Answered(_) => Some(What::Answered),
        How::Delivered => None,
        How::Denied { .. } => Some(What::Denied),
        How::NotDelivered => Some(What::NotDelivered),
        How::TooLate { delivered: false } => Some(What::TooLate),
        How::TooLate { delivered: true } => Some(What::TooLateDelivered),
        How::Unknown => Some(What::Unknown),
    }
}

fn of_tell(how: &How) -> Option<What> {
    match how {
        How::Denied { .. } => Some(What::TellsDenied),
        How::NotDelivered => Some(What::TellsNotDelivered),
        How::Unknown => Some(What::TellsUnknown),
        // What matters is whether it is given.
        How::Delivered | How::Answered(_) | How::TooLate { .. } => None,
    }
}

/// Faults begin with their word.
fn of_fault(text: &str) -> Option<What> {
    match text.split_once(' ')?.0 {
        "crash" => Some(What::Crashes),
        "in-flight" => Some(What::InFlight),
        "kept" => Some(What::Kept),
        "lost" => Some(What::Lost),
        "torn" => Some(What::Torn),
        "stall" => Some(What::Stalls),
        "fill" => Some(What::DisksFull),
        "failed" => Some(What::DisksFailed),
        "ring" => Some(What::Rings),
        "transferred" => Some(What::Transfers),
        "five-voters" => Some(What::FiveVoters),
        "hold-one-way" => Some(What::OneWayHolds),
        "lose" => Some(What::Losses),
        "slow" => Some(What::SlowLinks),
        "clock" => Some(What::ClockJumps),
        "drifted" => Some(What::Drifts),
        "removed" => Some(What::Removals),
        "turned" => Some(What::TurnedAway),
        "mute" => Some(What::Muted),
        _ => None,
    }
}
