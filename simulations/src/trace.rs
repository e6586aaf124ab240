//! The trace: everything that a run has seen, a line each, in order and with its simulated time; and its hash.
//!
//! A [`Recorder`] writes the lines, counts, and lets every oracle see every event as it happens.

use crate::clock;
use crate::oracle::{self, Oracle};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use symbi_model::agent::AgentName;
use symbi_model::{Epoch, Hash};

/// What is seen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A replica's role, term or leader has changed.
    Role {
        /// Its term.
        term: u64,
        /// Its role.
        role: symbi_raft::Role,
        /// Whom it follows, by name.
        leader: Option<String>,
    },
    /// A replica has applied up to an index.
    Applied {
        /// The index.
        index: u64,
        /// The hash of its state there.
        state: Hash,
    },
    /// A replica has applied a placement.
    Placed {
        /// Of whom.
        agent: AgentName,
        /// Its epoch.
        epoch: Epoch,
        /// Where to, by name.
        node: String,
    },
    /// A write was acknowledged.
    Acked {
        /// Which.
        write: String,
        /// The log index of its entry.
        index: u64,
    },
    /// A write's fate is not known yet.
    Unknown {
        /// Which.
        write: String,
        /// What was said.
        why: String,
    },
    /// A host's gate or sink has tested an effect.
    Effect(symbi_host::Event),
    /// A message has ended for its sender.
    Asked {
        /// Who sent it.
        from: String,
        /// To whom.
        to: String,
        /// How it ended.
        ending: String,
    },
    /// A line of a join, or its failure.
    Join(String),
    /// Something was done to the world.
    Fault(String),
    /// Something that must not be, whatever the oracles say.
    Wrong(String),
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use symbi_host::Event as Effect;
        match self {
            Self::Role { term, role, leader } => {
                write!(formatter, "role {role:?} term {term} leader {}", leader.as_deref().unwrap_or("-"))
            }
            Self::Applied { index, state } => write!(formatter, "applied {index} state {state}"),
            Self::Placed { agent, epoch, node } => write!(formatter, "placed {agent} epoch {epoch} on {node}"),
            Self::Acked { write, index } => write!(formatter, "acked {write} at {index}"),
            Self::Unknown { write, why } => write!(formatter, "unknown {write}: {why}"),
            Self::Effect(Effect::EffectPassed { agent, epoch, kind }) => {
                write!(formatter, "gate passed {kind} of {agent} epoch {epoch}")
            }
            Self::Effect(Effect::EffectRefused { agent, epoch, kind, why }) => {
                write!(formatter, "gate refused {kind} of {agent} epoch {epoch}: {why}")
            }
            Self::Effect(Effect::SinkAccepted { agent, epoch }) => {
                write!(formatter, "sink accepted {agent} epoch {epoch}")
            }
            Self::Effect(Effect::SinkRefused { agent, epoch, highest }) => {
                write!(formatter, "sink refused {agent} epoch {epoch}, highest {highest}")
            }
            Self::Asked { from, to, ending } => write!(formatter, "asked {from} -> {to}: {ending}"),
            Self::Join(text) => write!(formatter, "join: {text}"),
            Self::Fault(text) => write!(formatter, "fault: {text}"),
            Self::Wrong(text) => write!(formatter, "wrong: {text}"),
        }
    }
}

/// An event, with when and where.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, since the simulation began.
    pub at: Duration,
    /// On which host; `world` for what is done from outside.
    pub host: String,
    /// What.
    pub event: Event,
}

/// What a run has exercised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Leaders after the first.
    pub leader_changes: u64,
    /// Crashes.
    pub crashes: u64,
    /// Placements after an agent's first.
    pub re_placements: u64,
    /// Effects refused by a gate.
    pub gate_refusals: u64,
    /// Effects refused by a sink: they came from an instance that had been replaced.
    pub sink_refusals: u64,
    /// Effects that passed a gate after a later instance's had passed another: a frozen host's own gates cannot know.
    pub late_passed: u64,
    /// Writes acknowledged.
    pub acked: u64,
    /// Messages answered.
    pub answered: u64,
    /// Messages that ended otherwise.
    pub unanswered: u64,
}

impl Counts {
    /// The counts with their names, in the order in which they are printed.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("leader changes", self.leader_changes),
            ("crashes", self.crashes),
            ("re-placements", self.re_placements),
            ("late effects refused by gates", self.gate_refusals),
            ("late effects refused by sinks", self.sink_refusals),
            ("late effects passed by frozen gates", self.late_passed),
            ("writes acknowledged", self.acked),
            ("messages answered", self.answered),
            ("messages ended otherwise", self.unanswered),
        ]
    }
}

/// Writes the trace. Clones write the same one.
#[derive(Clone)]
pub struct Recorder {
    /// What clones share.
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// The lines.
    lines: Vec<String>,
    /// The oracles.
    oracles: Vec<Box<dyn Oracle>>,
    /// What they object to.
    violations: Vec<String>,
    /// What was exercised.
    counts: Counts,
    /// Leaders seen, by term.
    leaders: BTreeSet<u64>,
    /// The highest epoch that has passed a gate, by agent.
    passed: BTreeMap<AgentName, Epoch>,
    /// Epochs seen, by agent.
    epochs: BTreeMap<AgentName, BTreeSet<Epoch>>,
    /// Hosts by the first digits of their nodes' ids.
    names: BTreeMap<String, String>,
}

impl Default for Recorder {
    fn default() -> Self {
        let inner = Inner {
            lines: Vec::new(),
            oracles: oracle::all(),
            violations: Vec::new(),
            counts: Counts::default(),
            leaders: BTreeSet::new(),
            passed: BTreeMap::new(),
            epochs: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

impl Recorder {
    /// Records what `host` says now.
    pub fn tell(&self, host: &str, event: Event) {
        self.tell_at(clock::now(), host, event);
    }

    /// Records an event of the simulated time `at`.
    pub fn tell_at(&self, at: Duration, host: &str, event: Event) {
        let mut inner = self.lock();
        let seen = Seen { at, host: host.to_owned(), event };
        inner.lines.push(format!("{:>12} {host:<5} {}", at.as_micros(), seen.event));
        inner.count(&seen);
        let objections: Vec<String> = inner.oracles.iter_mut().filter_map(|oracle| oracle.see(&seen).err()).collect();
        for objection in objections {
            inner.object(at, &objection);
        }
    }

    /// Remembers which host a node's id stands for.
    pub fn name(&self, node: &symbi_model::NodeId, host: &str) {
        self.lock().names.insert(node.short(), host.to_owned());
    }

    /// The host of a node.
    #[must_use]
    pub fn name_of(&self, node: &symbi_model::NodeId) -> String {
        self.lock().names.get(&node.short()).cloned().unwrap_or_else(|| node.short())
    }

    /// What was exercised so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// What the oracles object to.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// The trace as text.
    #[must_use]
    pub fn text(&self) -> String {
        let inner = self.lock();
        let mut text = inner.lines.join("\n");
        text.push('\n');
        text
    }

    /// SHA-256 of the trace, hex.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.text().as_bytes()))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn object(&mut self, at: Duration, objection: &str) {
        let violation = format!("at {:.3} s: {objection}", at.as_secs_f64());
        self.lines.push(format!("{:>12} world VIOLATION {objection}", at.as_micros()));
        self.violations.push(violation);
    }

    fn count(&mut self, seen: &Seen) {
        use symbi_host::Event as Effect;
        let counts = &mut self.counts;
        match &seen.event {
            Event::Role { term, role: symbi_raft::Role::Leader, .. } => {
                let another = self.leaders.insert(*term) && self.leaders.len() > 1;
                counts.leader_changes += u64::from(another);
            }
            Event::Placed { agent, epoch, .. } => {
                let epochs = self.epochs.entry(agent.clone()).or_default();
                if epochs.insert(*epoch) && epochs.len() > 1 {
                    counts.re_placements += 1;
                }
            }
            Event::Effect(Effect::EffectPassed { agent, epoch, .. }) => {
                let highest = self.passed.entry(agent.clone()).or_insert(*epoch);
                counts.late_passed += u64::from(epoch < highest);
                *highest = (*highest).max(*epoch);
            }
            Event::Effect(Effect::EffectRefused { .. }) => counts.gate_refusals += 1,
            Event::Effect(Effect::SinkRefused { .. }) => counts.sink_refusals += 1,
            Event::Acked { .. } => counts.acked += 1,
            Event::Asked { ending, .. } if ending == "answered" => counts.answered += 1,
            Event::Asked { .. } => counts.unanswered += 1,
            Event::Fault(text) if text.starts_with("crash") => counts.crashes += 1,
            _ => {}
        }
    }
}
