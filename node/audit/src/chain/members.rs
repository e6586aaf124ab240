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
    /// By id.
    nodes: BTreeMap<Hex<32>, Member>,
}

/// A node that was enrolled.
#[derive(Debug)]
struct Member {
    /// Its name.
    name: String,
    /// How far its membership has come.
    membership: Membership,
    /// The keys with which it has issued credentials, the current one last.
    keys: Vec<Hex<65>>,
}

impl Members {
    /// The membership of a node that is enrolled and not removed.
    pub(super) fn present(&self, node: &Hex<32>) -> Option<Membership> {
        self.nodes.get(node).map(|member| member.membership).filter(|membership| *membership != Membership::Removed)
    }

    /// Whether a node is a member that has finished its join.
    pub(super) fn is_member(&self, node: &Hex<32>) -> bool {
        self.present(node) == Some(Membership::Member)
    }

    /// Every node that was ever enrolled, with its name, by id.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Hex<32>, &str)> {
        self.nodes.iter().map(|(node, member)| (node, member.name.as_str()))
    }

    /// A node's name; empty if it was never enrolled.
    pub(super) fn name(&self, node: &Hex<32>) -> &str {
        self.nodes.get(node).map_or("", |member| &member.name)
    }

    /// The keys with which a node has issued credentials, the current one last.
    pub(super) fn keys(&self, node: &Hex<32>) -> &[Hex<65>] {
        self.nodes.get(node).map_or(&[], |member| &member.keys)
    }

    /// The first node.
    pub(super) fn found(&mut self, node: Hex<32>, name: String, key: Hex<65>) {
        self.nodes.insert(node, Member { name, membership: Membership::Member, keys: vec![key] });
    }

    /// Follows a record that took effect, if it changes a membership.
    pub(super) fn follow(&mut self, record: &Record) -> Result<(), What> {
        match record.kind.as_str() {
            "node.enrol" => self.enrol(record),
            "node.introduce" => {
                let (node, key) = (subject(record, "node.introduce")?, credential_key(record, "node.introduce")?);
                self.keep(&node, key);
                Ok(())
            }
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
        match self.nodes.get(&node).map(|member| member.membership) {
            None => {
                let is_taken = |member: &Member| member.membership != Membership::Removed && member.name == *name;
                if self.nodes.values().any(is_taken) {
                    return Err(What::Field { kind: "node.enrol", field: "name" });
                }
                let keys = vec![credential_key(record, "node.enrol")?];
                let member = Member { name: name.clone(), membership: Membership::Joining, keys };
                self.nodes.insert(node, member);
            }
            // It changes nothing, whatever it says: anybody may have repeated it.
            Some(Membership::Joining | Membership::Member) => {}
            Some(membership @ Membership::Removed) => {
                return Err(What::Membership { node, membership: membership.name() });
            }
        }
        Ok(())
    }

    /// Keeps a key as a node's current one.
    fn keep(&mut self, node: &Hex<32>, key: Hex<65>) {
        if let Some(member) = self.nodes.get_mut(node) {
            member.keys.retain(|known| *known != key);
            member.keys.push(key);
        }
    }

    fn change(&mut self, record: &Record, kind: &'static str, from: &[Membership], to: Membership) -> Result<(), What> {
        let node = subject(record, kind)?;
        match self.nodes.get_mut(&node) {
            Some(member) if from.contains(&member.membership) => {
                member.membership = to;
                Ok(())
            }
            Some(member) => Err(What::Membership { node, membership: member.membership.name() }),
            None => Err(What::Membership { node, membership: "not enrolled" }),
        }
    }
}

/// The node that a record is about.
pub(super) fn subject(record: &Record, kind: &'static str) -> Result<Hex<32>, What> {
    let node = record.subject.strip_prefix("node:").and_then(Hex::parse);
    node.ok_or(What::Field { kind, field: "subject" })
}

/// The key with which a node issues credentials, as a record says it.
fn credential_key(record: &Record, kind: &'static str) -> Result<Hex<65>, What> {
    let key = record.details.get("credential_key").and_then(|key| Hex::parse(key));
    key.ok_or(What::Field { kind, field: "credential_key" })
}
