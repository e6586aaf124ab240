//! The tree, held against the test vectors of RFC 6962's reference implementation and against the RFC's own recursive definition.

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use symbi_audit::Hex;
use symbi_audit::tree::{Frontier, consistency, included, inclusion, is_consistent, leaf, root};

/// The leaves' bytes of the reference implementation's tests.
const INPUTS: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
/// The root over the first so many of them.
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

fn hash(text: &str) -> Hex<32> {
    Hex::parse(text).expect("32 bytes")
}

fn leaves(count: usize) -> Vec<Hex<32>> {
    INPUTS.iter().take(count).map(|text| leaf(&hex::decode(text).expect("hex digits"))).collect()
}

#[test]
fn roots_are_those_of_the_test_vectors() {
    let mut frontier = Frontier::default();
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    for (count, wanted) in ROOTS.iter().enumerate().skip(1) {
        frontier.append(leaves(8)[count - 1]);
        assert_eq!((frontier.root(), frontier.size()), (hash(wanted), count as u64), "the first {count}");
        assert_eq!(root(&leaves(count)), hash(wanted), "the first {count}");
    }
}

#[test]
fn proofs_are_those_of_the_test_vectors() {
    let inclusions: [(usize, usize, &[&str]); 4] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    ];
    for (index, size, wanted) in inclusions {
        let wanted: Vec<_> = wanted.iter().map(|text| hash(text)).collect();
        assert_eq!(inclusion(&leaves(size), index), Some(wanted), "leaf {index} of {size}");
    }
    let consistent: [(usize, usize, &[&str]); 3] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ];
    for (old, new, wanted) in consistent {
        let wanted: Vec<_> = wanted.iter().map(|text| hash(text)).collect();
        assert_eq!(consistency(&leaves(new), old), Some(wanted), "{old} of {new}");
    }
}

/// The definition, word for word.
fn naive(leaves: &[Hex<32>]) -> Hex<32> {
    match leaves {
        [] => Hex(Sha256::digest([]).into()),
        [leaf] => *leaf,
        _ => {
            let mut half = 1;
            while half * 2 < leaves.len() {
                half *= 2;
            }
            let mut digest = Sha256::new();
            digest.update([0x01]);
            digest.update(naive(&leaves[..half]).0);
            digest.update(naive(&leaves[half..]).0);
            Hex(digest.finalize().into())
        }
    }
}

fn numbered(count: usize) -> Vec<Hex<32>> {
    (0..count).map(|number| leaf(&number.to_be_bytes())).collect()
}

proptest! {
    #[test]
    fn the_frontiers_root_is_the_definitions(count in 0_usize..300) {
        prop_assert_eq!(root(&numbered(count)), naive(&numbered(count)));
    }

    #[test]
    fn a_leaf_is_included_where_it_is_and_nowhere_else(size in 1_usize..130, at in any::<prop::sample::Index>(), other in 0_u64..140) {
        let (leaves, index) = (numbered(size), at.index(size));
        let proof = inclusion(&leaves, index).expect("there is such a leaf");
        let root = naive(&leaves);
        let (at, size) = (index as u64, size as u64);
        prop_assert_eq!(included(leaves[index], at, size, &proof), Some(root));
        if other != at {
            prop_assert_ne!(included(leaves[index], other, size, &proof), Some(root));
        }
        prop_assert_ne!(included(leaf(b"other"), at, size, &proof), Some(root));
        prop_assert_ne!(included(leaves[index], at, size, &[&proof[..], &[root]].concat()), Some(root));
        if let Some(shorter) = proof.get(1..) {
            prop_assert_ne!(included(leaves[index], at, size, shorter), Some(root));
        }
    }

    #[test]
    fn a_tree_begins_with_its_first_leaves_and_with_no_others(new in 1_usize..130, at in any::<prop::sample::Index>()) {
        let (leaves, old) = (numbered(new), at.index(new) + 1);
        let proof = consistency(&leaves, old).expect("there are so many");
        let (first, whole) = ((old as u64, naive(&leaves[..old])), (new as u64, naive(&leaves)));
        prop_assert!(is_consistent(first, whole, &proof));
        let mut changed = leaves[..old].to_vec();
        changed[old / 2] = leaf(b"other");
        prop_assert!(!is_consistent((old as u64, naive(&changed)), whole, &proof));
        prop_assert!(!is_consistent(first, whole, &[&proof[..], &[whole.1]].concat()));
        prop_assert!(old == new || !is_consistent(first, whole, &proof[1..]));
    }

    #[test]
    fn no_proof_panics(numbers in any::<(u64, u64)>(), hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<_> = hashes.iter().map(|bytes| Hex(*bytes)).collect();
        let (a, b) = numbers;
        let _ = included(Hex([1; 32]), a, b, &proof);
        let _ = is_consistent((a, Hex([1; 32])), (b, Hex([2; 32])), &proof);
    }
}
