//! The Merkle tree of RFC 6962, section 2.1 (the same as RFC 9162's): roots, a frontier that grows leaf by leaf, and proofs that
//! a leaf is in a tree and that one tree begins with another.
//!
//! Leaves are hashes already: [`leaf`] makes them of bytes. Nothing here panics, whatever a proof says.

use crate::hash::sha256;
use crate::hex::Hex;

/// A node of the tree.
type Node = Hex<32>;

/// The leaf over some bytes.
#[must_use]
pub fn leaf(bytes: &[u8]) -> Node {
    sha256(&[&[0x00], bytes])
}

/// The node above two others.
fn above(left: &Node, right: &Node) -> Node {
    sha256(&[&[0x01], &left.0, &right.0])
}

/// The root over leaves.
#[must_use]
pub fn root(leaves: &[Node]) -> Node {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier.root()
}

/// What is needed of a tree to let it grow: the roots of its whole subtrees, the largest first.
///
/// Invariant: there is one for each bit that is set in the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    /// How many leaves the tree has.
    size: u64,
    /// The roots.
    whole: Vec<Node>,
}

impl Frontier {
    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The one of a tree of so many leaves, if these can be the roots of its whole subtrees.
    #[must_use]
    pub fn of(size: u64, whole: Vec<Node>) -> Option<Self> {
        (whole.len() == size.count_ones() as usize).then_some(Self { size, whole })
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: Node) {
        let mut node = leaf;
        // Each set bit at the low end is a whole subtree that the new leaf doubles.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.whole.pop() {
                node = above(&left, &node);
            }
        }
        self.whole.push(node);
        self.size = self.size.saturating_add(1);
        debug_assert_eq!(self.whole.len(), self.size.count_ones() as usize, "one subtree a bit");
    }

    /// The root over all leaves; of none, the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Node {
        let mut smaller = self.whole.iter().rev();
        let Some(last) = smaller.next() else { return sha256(&[]) };
        smaller.fold(*last, |right, left| above(left, &right))
    }
}

/// Where a tree of more than one leaf is divided: at the largest power of two below its size.
fn split(size: usize) -> usize {
    1 << (size.saturating_sub(1)).checked_ilog2().unwrap_or(0)
}

/// The proof that the leaf `index` is in the tree over `leaves` (RFC 6962, section 2.1.1); none if there is no such leaf.
#[must_use]
pub fn inclusion(leaves: &[Node], index: usize) -> Option<Vec<Node>> {
    match leaves {
        [_] if index == 0 => Some(Vec::new()),
        [] | [_] => None,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            let (mut proof, other) = match index.checked_sub(left.len()) {
                None => (inclusion(left, index)?, right),
                Some(index) => (inclusion(right, index)?, left),
            };
            proof.push(root(other));
            Some(proof)
        }
    }
}

/// The root that a proof leads to from the leaf `index` of a tree of `size` leaves (RFC 9162, section 2.1.3.2); none if the proof
/// is of no such tree.
#[must_use]
pub fn included(leaf: Node, index: u64, size: u64, proof: &[Node]) -> Option<Node> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut node) = (index, size - 1, leaf);
    for other in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            node = above(other, &node);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            node = above(&node, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(node)
}

/// The proof that the tree over `leaves` begins with its first `old` leaves (RFC 6962, section 2.1.2); none if there are not so
/// many, or none of them.
#[must_use]
pub fn consistency(leaves: &[Node], old: usize) -> Option<Vec<Node>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    Some(sub_proof(leaves, old, true))
}

/// `SUBPROOF` of the RFC: `is_known` while the old tree is still the whole of what is looked at.
fn sub_proof(leaves: &[Node], old: usize, is_known: bool) -> Vec<Node> {
    if old == leaves.len() {
        return if is_known { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut proof, other) = match old.checked_sub(left.len()).filter(|rest| *rest > 0) {
        None => (sub_proof(left, old, is_known), right),
        Some(rest) => (sub_proof(right, rest, false), left),
    };
    proof.push(root(other));
    proof
}

/// Whether a proof shows that a tree of `new` leaves with the root `new_root` begins with one of `old` leaves with the root
/// `old_root` (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn is_consistent((old, old_root): (u64, Node), (new, new_root): (u64, Node), proof: &[Node]) -> bool {
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return false;
    }
    // A whole subtree is its own first node: the proof leaves it out.
    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let Some((first, rest)) = proof.split_first() else { return false };
        (*first, rest)
    };
    let ones = (old - 1).trailing_ones();
    let (mut at, mut last) = ((old - 1) >> ones, (new - 1) >> ones);
    let (mut of_old, mut of_new) = (first, first);
    for other in rest {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (of_old, of_new) = (above(other, &of_old), above(other, &of_new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            of_new = above(&of_new, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && of_old == old_root && of_new == new_root
}
