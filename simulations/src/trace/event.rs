//! What is seen, and how it is written down.

use crate::history::{Ban, Given, How, Key, Kind, Sent};
use std::collections::BTreeSet;
use std::fmt;
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
    /// A host has opened its disk.
    Opened {
        /// The index as of which the disk has the state, if it has one.
        saved: Option<u64>,
    },
    /// A replica has applied an entry.
    Applied {
        /// Its index.
        index: u64,
        /// The hash of the state behind it.
        state: Hash,
    },
    /// A replica shows a state: that of its start, of an installed snapshot, or what it has applied.
    Published {
        /// The index as of which it is.
        index: u64,
        /// Its hash.
        state: Hash,
    },
    /// A node cannot go on, and its process has to end.
    Stopped {
        /// The code that an operator reads.
        code: String,
        /// The exit code.
        exit: u8,
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
    /// A replica has applied another policy set.
    Policies {
        /// Its number.
        number: u64,
        /// What it forbids beside what every set forbids.
        ban: Option<Ban>,
    },
    /// A replica has applied an anchor of its own node's ledger.
    Anchored {
        /// How many lines it is over, in all.
        entries: u64,
    },
    /// A replica's audit chain was read to its end.
    Audited {
        /// How many lines of its own node's ledger were anchored, each time.
        anchors: BTreeSet<u64>,
        /// How many of its lines were synced some time before, if the state did not come to know of them.
        unanchored: Option<u64>,
    },
    /// A node signs a checkpoint of the audit chain.
    Signed {
        /// How many records it covers.
        size: u64,
        /// Its digest.
        digest: Hash,
        /// The first entries whose records it covers and the node lacks.
        lacks: Option<(u64, u64)>,
    },
    /// A node takes a checkpoint for witnessed.
    Witnessed {
        /// How many records it covers.
        size: u64,
        /// Its digest.
        digest: Hash,
        /// By whom, by name.
        by: Vec<String>,
    },
    /// A replica has applied that others vote than rule by the audit chain.
    Follow {
        /// Who votes, by name.
        voters: Vec<String>,
        /// Who rules, by name.
        ruling: Vec<String>,
        /// The digest of the checkpoint that names those who vote; none if none does.
        named: Option<Hash>,
    },
    /// A host's database was put back to what it was some time ago.
    PutBack,
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
    /// A client of the shared keys has called an operation; whatever it had under way it has given up.
    Called {
        /// Who.
        client: String,
        /// On which key.
        key: String,
        /// The value, if it is a write.
        writes: Option<String>,
    },
    /// A client's read has returned.
    Saw {
        /// Whose.
        client: String,
        /// What it saw.
        value: Option<String>,
    },
    /// A client's write has returned.
    Wrote {
        /// Whose.
        client: String,
    },
    /// A client does not know what has become of its operation.
    Unsure {
        /// Which client.
        client: String,
        /// What was said.
        why: String,
    },
    /// A host's gate or sink has tested an effect.
    Effect(symbi_host::Event),
    /// A message leaves.
    Sent(Sent),
    /// A program was given a message.
    Given(Given),
    /// A program answers a message.
    Answers {
        /// Which.
        key: Key,
        /// The digest of its answer.
        digest: String,
    },
    /// A message has ended for its sender.
    Ended {
        /// Which.
        key: Key,
        /// Its kind.
        kind: Kind,
        /// How.
        how: How,
    },
    /// Something was sealed.
    Sealed {
        /// The first bytes of the key's digest.
        key: [u8; 8],
        /// Under which nonce.
        nonce: u64,
    },
    /// A line of a join, or its failure.
    Join(String),
    /// Something was done to the world.
    Fault(String),
    /// Nothing is wrong with the world, until the next fault.
    Calm,
    /// Something that must not be, whatever the oracles say.
    Wrong(String),
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { term, role, leader } => {
                write!(formatter, "role {role:?} term {term} leader {}", leader.as_deref().unwrap_or("-"))
            }
            Self::Opened { saved: None } => formatter.write_str("opened an empty disk"),
            Self::Opened { saved: Some(index) } => write!(formatter, "opened a disk with the state of {index}"),
            Self::Applied { index, state } => write!(formatter, "applied {index} state {state}"),
            Self::Published { index, state } => write!(formatter, "published {index} state {state}"),
            Self::Stopped { code, exit } => write!(formatter, "stopped with exit code {exit}: {code}"),
            Self::Placed { agent, epoch, node } => write!(formatter, "placed {agent} epoch {epoch} on {node}"),
            Self::Policies { number, ban: None } => write!(formatter, "policies {number}"),
            Self::Policies { number, ban: Some(Ban { to, at_receiver }) } => {
                let whose = if *at_receiver { "receiver" } else { "sender" };
                write!(formatter, "policies {number} forbid {to} at the {whose}")
            }
            Self::Anchored { entries } => write!(formatter, "anchored {entries} lines"),
            Self::Audited { anchors, unanchored } => {
                write!(formatter, "audited, with {} anchors of its ledger", anchors.len())?;
                unanchored.map_or(Ok(()), |lines| write!(formatter, ", and none over its {lines} lines"))
            }
            Self::Signed { size, digest, lacks: None } => write!(formatter, "signed {size} records {digest}"),
            Self::Signed { size, digest, lacks: Some((from, upto)) } => {
                write!(formatter, "signed {size} records {digest} without those of entries {from} to {upto}")
            }
            Self::Witnessed { size, digest, by } => {
                write!(formatter, "witnessed {size} records {digest} by {}", by.join(" "))
            }
            Self::Follow { voters, ruling, named } => {
                let named = named.map_or_else(|| "nobody".to_owned(), |digest| digest.to_string());
                write!(formatter, "{} vote, {} rule, named by {named}", voters.join(" "), ruling.join(" "))
            }
            Self::PutBack => formatter.write_str("database put back"),
            Self::Acked { write, index } => write!(formatter, "acked {write} at {index}"),
            Self::Unknown { write, why } => write!(formatter, "unknown {write}: {why}"),
            Self::Called { client, key, writes: Some(value) } => write!(formatter, "{client} writes {value} to {key}"),
            Self::Called { client, key, writes: None } => write!(formatter, "{client} reads {key}"),
            Self::Saw { client, value } => {
                write!(formatter, "{client} saw {}", value.as_deref().unwrap_or("nothing"))
            }
            Self::Wrote { client } => write!(formatter, "{client} has written"),
            Self::Unsure { client, why } => write!(formatter, "{client} does not know: {why}"),
            Self::Effect(effect) => fmt_effect(effect, formatter),
            Self::Sent(sent) => fmt_sent(sent, formatter),
            Self::Given(Given { key, kind, from, agent, life: (epoch, incarnation) }) => {
                write!(formatter, "given {kind:?} {key} of {from} to {agent} epoch {epoch} incarnation {incarnation}")
            }
            Self::Answers { key, digest } => write!(formatter, "answers {key} {digest}"),
            Self::Ended { key, kind, how } => write!(formatter, "ended {kind:?} {key}: {how}"),
            Self::Sealed { key, nonce } => write!(formatter, "sealed {} {nonce}", hex::encode(key)),
            Self::Join(text) => write!(formatter, "join: {text}"),
            Self::Fault(text) => write!(formatter, "fault: {text}"),
            Self::Calm => formatter.write_str("calm"),
            Self::Wrong(text) => write!(formatter, "wrong: {text}"),
        }
    }
}

fn fmt_sent(sent: &Sent, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Sent { key, kind, from, to, forbidden, here, within } = sent;
    write!(formatter, "sent {kind:?} {key} {from} -> {to}")?;
    if let Some(within) = within {
        write!(formatter, " within {} ms", within.as_millis())?;
    }
    if *here {
        formatter.write_str(", here")?;
    }
    if *forbidden { formatter.write_str(", forbidden") } else { Ok(()) }
}

fn fmt_effect(effect: &symbi_host::Event, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    use symbi_host::Event as Effect;
    match effect {
        Effect::EffectPassed { agent, epoch, kind } => {
            write!(formatter, "gate passed {kind} of {agent} epoch {epoch}")
        }
        Effect::EffectRefused { agent, epoch, kind, why } => {
            write!(formatter, "gate refused {kind} of {agent} epoch {epoch}: {why}")
        }
        Effect::SinkAccepted { agent, epoch } => write!(formatter, "sink accepted {agent} epoch {epoch}"),
        Effect::SinkRefused { agent, epoch, highest } => {
            write!(formatter, "sink refused {agent} epoch {epoch}, highest {highest}")
        }
        Effect::SessionUnattested { node, sender, why } => {
            write!(formatter, "session of {sender} on {} closed: {why}", node.short())
        }
        Effect::LedgerAnchored { entries } => write!(formatter, "ledger goes on from {entries} anchored lines"),
        Effect::LedgerLost { anchored, kept } => {
            write!(formatter, "ledger lost: {anchored} lines are anchored, {kept} kept")
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
