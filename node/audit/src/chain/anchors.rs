//! Anchors of ledgers, as the chain's records say them: a record has the signed heads of several ledgers, and what became of each.
//! What became of each must be what follows from the signatures and from the chain before; that the roots are those of the ledgers is
//! held against their entries where the bundle has them.

use super::members::Members;
use crate::failure::What;
use crate::hex::Hex;
use crate::line::{Cluster, Record};
use std::collections::BTreeMap;

/// The kind of these records.
pub(super) const KIND: &str = "ledger.anchor";
/// So many at most are in a record.
const MOST: usize = 256;
/// The answer to one that was taken.
const DONE: &str = "DONE";
/// The answer to one whose node was no member.
const NOT_MEMBER: &str = "ORIGIN_NOT_MEMBER";
/// The answer to one of another generation of the cluster.
const OTHER_GENERATION: &str = "OTHER_GENERATION";
/// The answer to one that says nothing new.
const STALE: &str = "STALE_ANCHOR";
/// The answer to one that its node has not signed.
const BAD_SIGNATURE: &str = "BAD_SIGNATURE";

/// A signed head of a ledger.
pub(crate) struct Signed {
    /// Whose ledger it is, and whose signature.
    pub(crate) node: Hex<32>,
    /// The cluster's generation.
    pub(crate) generation: u64,
    /// How far the ledger had come.
    pub(crate) anchor: Anchor,
    /// Ed25519 by the node.
    pub(crate) signature: Hex<64>,
}

/// How far a ledger had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// How many entries the ledger had.
    pub(crate) entries: u64,
    /// The hash of the last of them.
    pub(crate) head: Hex<32>,
    /// The root over the leaves of the hashes of all of them.
    pub(crate) root: Hex<32>,
}

/// The anchors so far.
///
/// Invariants:
/// - a node's anchors rise, and the node has signed each.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    /// By node, in order.
    taken: BTreeMap<Hex<32>, Vec<Anchor>>,
}

impl Anchors {
    /// The anchors of a node's ledger, in order.
    pub(crate) fn of(&self, node: &Hex<32>) -> &[Anchor] {
        self.taken.get(node).map_or(&[], Vec::as_slice)
    }

    /// Follows a record of anchors that took effect.
    pub(super) fn follow(
        &mut self,
        (cluster, generation): (Cluster, Option<u64>),
        members: &Members,
        record: &Record,
    ) -> Result<(), What> {
        let anchors = signed(record).ok_or(What::Field { kind: KIND, field: "anchors" })?;
        let answers = record.values.get("answers").ok_or(What::Field { kind: KIND, field: "answers" })?;
        let answers: Vec<_> = answers.split(',').collect();
        if answers.len() != anchors.len() {
            return Err(What::Field { kind: KIND, field: "answers" });
        }
        for (anchor, found) in anchors.into_iter().zip(answers) {
            // Of a chain alone the generation is not known.
            let is_other = generation.map_or(found == OTHER_GENERATION, |generation| generation != anchor.generation);
            let wanted = self.answer(cluster, members, &anchor, is_other);
            if found != wanted {
                return Err(What::Answer { node: anchor.node, found: found.to_owned(), wanted });
            }
            if wanted == DONE {
                self.taken.entry(anchor.node).or_default().push(anchor.anchor);
            }
        }
        Ok(())
    }

    /// What must have become of an anchor, which is of another generation if `is_other`.
    fn answer(&self, cluster: Cluster, members: &Members, signed: &Signed, is_other: bool) -> &'static str {
        let before = self.of(&signed.node).last().map_or(0, |last| last.entries);
        if !members.is_member(&signed.node) {
            NOT_MEMBER
        } else if is_other {
            OTHER_GENERATION
        } else if signed.anchor.entries <= before {
            STALE
        } else if signed.is_signed(cluster) {
            DONE
        } else {
            BAD_SIGNATURE
        }
    }
}

/// The anchors that a record says.
fn signed(record: &Record) -> Option<Vec<Signed>> {
    let texts: Vec<_> = record.details.get("anchors")?.split(',').collect();
    if texts.len() > MOST {
        return None;
    }
    texts.into_iter().map(Signed::parse).collect()
}

impl Signed {
    /// Reads node, generation, entries, head, root and signature, with colons between them.
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split(':').collect();
        let [node, generation, entries, head, root, signature] = parts.as_slice() else { return None };
        let anchor = Anchor { entries: entries.parse().ok()?, head: Hex::parse(head)?, root: Hex::parse(root)? };
        let (generation, signature) = (generation.parse().ok()?, Hex::parse(signature)?);
        Some(Self { node: Hex::parse(node)?, generation, anchor, signature })
    }
}
