//! Who was a member when, as the chain's own records tell it.

use crate::failure::What;
use crate::hex::Hex;
use crate::line::Record;
use std::collections::BTreeMap;

/// How far a node's membership has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// Enrolled, not yet caught up.
    Joining,
    /// A member.
    Member,
    /// Removed for good.
    Removed,
}

impl Membership {
    fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Member => "a member",
            Self::Removed => "removed",
        }
    }
}

/// Every node that was ever enrolled.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Name and membership, by id.
    nodes: BTreeMap<Hex<32>, (String, Membership)>,
}

impl Members {
    /// The membership of a node that is enrolled and not removed.
    pub(super) fn present(&self, node: &Hex<32>) -> Option<Membership> {
        self.nodes.get(node).map(|(_, membership)| *membership).filter(|membership| *membership != Membership::Removed)
    }

    /// Every node that was ever enrolled, with its name, by id.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Hex<32>, &str)> {
        self.nodes.iter().map(|(node, (name, _))| (node, name.as_str()))
    }

    /// The first node.
    pub(super) fn found(&mut self, node: Hex<32>, name: String) {
        self.nodes.insert(node, (name, Membership::Member));
    }

    /// Follows a record that took effect, if it changes a membership.
    pub(super) fn follow(&mut self, record: &Record) -> Result<(), What> {
        match record.kind.as_str() {
            "node.enrol" => self.enrol(record),
            "node.join" => {
                self.change(record, "node.join", &[Membership::Joining, Membership::Member], Membership::Member)
            }
            "node.clear" => {
                self.change(record, "node.clear", &[Membership::Joining, Membership::Removed], Membership::Removed)
            }
            "node.remove" => {
                let any = [Membership::Joining, Membership::Member, Membership::Removed];
                self.change(record, "node.remove", &any, Membership::Removed)
            }
            _ => Ok(()),
        }
    }

    fn enrol(&mut self, record: &Record) -> Result<(), What> {
        let node = subject(record, "node.enrol")?;
        let name = record.details.get("name").ok_or(What::Field { kind: "node.enrol", field: "name" })?;
        match self.nodes.get(&node) {
            None => {
                self.nodes.insert(node, (name.clone(), Membership::Joining));
                Ok(())
            }
            Some((_, Membership::Joining | Membership::Member)) => Ok(()),
            Some((_, membership @ Membership::Removed)) => {
                Err(What::Membership { node, membership: membership.name() })
            }
        }
    }

    fn change(&mut self, record: &Record, kind: &'static str, from: &[Membership], to: Membership) -> Result<(), What> {
        let node = subject(record, kind)?;
        match self.nodes.get_mut(&node) {
            Some((_, membership)) if from.contains(membership) => {
                *membership = to;
                Ok(())
            }
            Some((_, membership)) => Err(What::Membership { node, membership: membership.name() }),
            None => Err(What::Membership { node, membership: "not enrolled" }),
        }
    }
}

/// The node that a record is about.
pub(super) fn subject(record: &Record, kind: &'static str) -> Result<Hex<32>, What> {
    let node = record.subject.strip_prefix("node:").and_then(Hex::parse);
    node.ok_or(What::Field { kind, field: "subject" })
}
