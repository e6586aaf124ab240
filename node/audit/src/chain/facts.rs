//! What the chain says that ledgers and policy lines are held against: anchors, placements, policy sets.

use super::members::subject;
use crate::failure::What;
use crate::hex::Hex;
use crate::line::Record;
use std::collections::BTreeMap;

/// An anchor of a node's ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// How many entries the ledger had.
    pub(crate) entries: u64,
    /// The hash of the last of them.
    pub(crate) head: Hex<32>,
    /// The root over the hashes of the entries since the anchor before.
    pub(crate) root: Hex<32>,
}

/// What the chain says beside its members.
///
/// Invariants:
/// - a node's anchors rise.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The anchors of each node's ledger, in order.
    anchors: BTreeMap<Hex<32>, Vec<Anchor>>,
    /// Where each agent was placed under each epoch.
    placements: BTreeMap<(String, u64), Hex<32>>,
    /// SHA-256 of each policy set that was applied, by number.
    policies: BTreeMap<u64, Hex<32>>,
}

impl Facts {
    /// The anchors of a node's ledger, in order.
    pub(crate) fn anchors(&self, node: &Hex<32>) -> &[Anchor] {
        self.anchors.get(node).map_or(&[], Vec::as_slice)
    }

    /// The node on which an agent was placed under an epoch.
    pub(crate) fn placed(&self, agent: &str, epoch: u64) -> Option<Hex<32>> {
        self.placements.get(&(agent.to_owned(), epoch)).copied()
    }

    /// The policy sets that were applied.
    pub(super) fn policies(&self) -> impl Iterator<Item = (&u64, &Hex<32>)> {
        self.policies.iter()
    }

    /// Follows a record that took effect.
    pub(super) fn follow(&mut self, record: &Record) -> Result<(), What> {
        match record.kind.as_str() {
            "ledger.anchor" => self.anchor(record),
            "agent.place" => self.place(record),
            "policy.apply" => {
                let number = value(record, "policy.apply", "policy_set", |text| text.parse().ok())?;
                let hash = detail(record, "policy.apply", "policy_hash", Hex::parse)?;
                self.policies.insert(number, hash);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn anchor(&mut self, record: &Record) -> Result<(), What> {
        const KIND: &str = "ledger.anchor";
        let node = subject(record, KIND)?;
        let anchor = Anchor {
            entries: detail(record, KIND, "entries", |text| text.parse().ok())?,
            head: detail(record, KIND, "head", Hex::parse)?,
            root: detail(record, KIND, "root", Hex::parse)?,
        };
        let anchors = self.anchors.entry(node).or_default();
        if anchors.last().map_or(0, |last| last.entries) >= anchor.entries {
            return Err(What::Field { kind: KIND, field: "entries" });
        }
        anchors.push(anchor);
        Ok(())
    }

    fn place(&mut self, record: &Record) -> Result<(), What> {
        let wanted = What::Field { kind: "agent.place", field: "subject" };
        let agent = record.subject.strip_prefix("agent:").ok_or(wanted)?;
        let epoch = value(record, "agent.place", "epoch", |text| text.parse().ok())?;
        let node = detail(record, "agent.place", "node", Hex::parse)?;
        self.placements.insert((agent.to_owned(), epoch), node);
        Ok(())
    }
}

/// Something that a record's act says.
fn detail<T>(
    record: &Record,
    kind: &'static str,
    field: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, What> {
    record.details.get(field).and_then(|text| read(text)).ok_or(What::Field { kind, field })
}

/// Something that a record's result says.
fn value<T>(
    record: &Record,
    kind: &'static str,
    field: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, What> {
    record.values.get(field).and_then(|text| read(text)).ok_or(What::Field { kind, field })
}
