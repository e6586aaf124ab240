//! The Merkle tree hash of RFC 6962, section 2.1: one root over leaves in order.

use crate::hash::Hash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash of a leaf: SHA-256 over 0x00 and its data.
#[must_use]
pub fn leaf(data: &[u8]) -> Hash {
    Hash::of(&[&[0x00], data])
}

/// The hash of an inner node: SHA-256 over 0x01 and its two children.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Hash::of(&[&[0x01], &left.0, &right.0])
}

/// The root over the hashes of leaves: of none, the SHA-256 of nothing; of more, the node over the largest complete tree
/// that leaves something for the right, and the rest.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash(Sha256::digest([]).into()),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node(&root(left), &root(right))
        }
    }
}

/// What is needed of a tree to let it grow: the roots of its whole subtrees, the largest first.
///
/// Invariant: there is one for each bit that is set in the size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// How many leaves the tree has.
    size: u64,
    /// The roots.
    whole: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its whole subtrees, the largest first.
    #[must_use]
    pub fn whole(&self) -> &[Hash] {
        &self.whole
    }

    /// Appends a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let mut last = leaf;
        // Each set bit at the low end is a whole subtree that the new leaf doubles.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.whole.pop() {
                last = node(&left, &last);
            }
        }
        self.whole.push(last);
        self.size += 1;
        debug_assert!(self.is_sound(), "one subtree a bit");
    }

    /// The root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut smaller = self.whole.iter().rev();
        let Some(last) = smaller.next() else { return root(&[]) };
        smaller.fold(*last, |right, left| node(left, &right))
    }

    /// Whether the tree can be the one that `before` is of with more leaves. Of those that both have, it sees the whole subtrees that
    /// both have kept.
    #[must_use]
    pub fn extends(&self, before: &Self) -> bool {
        let differing = (self.size ^ before.size).checked_ilog2().map_or(0, |bit| bit + 1);
        // Above the highest bit in which the sizes differ, both have the same subtrees.
        let common = self.size.checked_shr(differing).unwrap_or(0).count_ones() as usize;
        self.size >= before.size && self.whole.iter().take(common).eq(before.whole.iter().take(common))
    }

    /// Whether it can be a tree's.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.whole.len() == self.size.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{Frontier, leaf, root};

    /// The inputs and roots of the reference implementation's tests (google/certificate-transparency, merkle_tree_test).
    const INPUTS: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn roots_are_those_of_the_reference() {
        let leaves: Vec<_> = INPUTS.iter().map(|input| leaf(&hex::decode(input).expect("hex"))).collect();
        for (count, expected) in ROOTS.iter().enumerate() {
            assert_eq!(root(&leaves[..count]).to_string(), *expected, "{count} leaves");
        }
    }

    #[test]
    fn a_frontier_has_the_root_of_the_leaves_that_it_was_given() {
        let leaves: Vec<_> = (0..70_u8).map(|number| leaf(&[number])).collect();
        let mut frontier = Frontier::default();
        for (count, leaf) in leaves.iter().enumerate() {
            assert_eq!((frontier.size(), frontier.root()), (count as u64, root(&leaves[..count])));
            frontier.append(*leaf);
        }
    }

    #[test]
    fn a_frontier_extends_those_that_it_was_and_none_that_differs_in_what_both_have() {
        let of = |leaves: &[u8]| {
            let mut frontier = Frontier::default();
            leaves.iter().for_each(|number| frontier.append(leaf(&[*number])));
            frontier
        };
        let leaves: Vec<u8> = (0..40).collect();
        for size in 0..=leaves.len() {
            for before in 0..=size {
                assert!(of(&leaves[..size]).extends(&of(&leaves[..before])), "{size} leaves and {before}");
                assert_eq!(of(&leaves[..before]).extends(&of(&leaves[..size])), before == size, "fewer extend none");
            }
        }
        let mut other = leaves.clone();
        other[3] = 99;
        for size in [4, 5, 6, 7, 36, 40] {
            assert!(!of(&leaves[..size]).extends(&of(&other[..size])), "{size} leaves, of which one is another");
        }
        assert!(!of(&leaves[..40]).extends(&of(&other[..37])), "the first 32 are not the same");
    }
}
