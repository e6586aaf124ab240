//! What the chain says that sessions and policy lines are held against: placements, policy sets.

use crate::failure::What;
use crate::hex::Hex;
use crate::line::Record;
use std::collections::BTreeMap;

/// What the chain says beside its members and anchors.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Where each agent was placed under each epoch.
    placements: BTreeMap<(String, u64), Hex<32>>,
    /// SHA-256 of each policy set that was applied, by number.
    policies: BTreeMap<u64, Hex<32>>,
}

impl Facts {
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
