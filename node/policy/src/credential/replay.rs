//! The ids of credentials that were presented and have not expired: each is good once.
//!
//! Kept by the node that presented them, so that one that floods us shuts out only itself.
//!
//! Invariants:
//! - an id is here until it expires;
//! - a node has no more than [`MAX_OF_NODE`] of them here: what it presents beyond that is refused.

use super::CredentialError;
use std::collections::{BTreeMap, BTreeSet};
use symbi_model::NodeId;
use uuid::Uuid;

/// The most unexpired ids of one node.
pub const MAX_OF_NODE: usize = 65_536;

/// The ids in use, by node.
#[derive(Debug, Default)]
pub struct Used {
    /// The ids in use, by the node that presented them.
    nodes: BTreeMap<NodeId, Ids>,
}

/// One node's ids.
#[derive(Debug, Default)]
struct Ids {
    /// The ids.
    known: BTreeSet<Uuid>,
    /// The same, by the second in which they expire.
    expiring: BTreeSet<(u64, Uuid)>,
}

impl Used {
    /// Takes `jti`, of a credential that ends at `exp`, from `node`; fails if it was taken before.
    pub fn take(&mut self, node: NodeId, jti: Uuid, exp: u64, now_s: u64) -> Result<(), CredentialError> {
        self.nodes.retain(|_, ids| {
            ids.forget(now_s);
            !ids.known.is_empty()
        });
        let ids = self.nodes.entry(node).or_default();
        if ids.known.contains(&jti) {
            return Err(CredentialError::Used);
        }
        if ids.known.len() >= MAX_OF_NODE {
            return Err(CredentialError::TooMany);
        }
        ids.known.insert(jti);
        ids.expiring.insert((exp, jti));
        debug_assert_eq!(ids.known.len(), ids.expiring.len());
        Ok(())
    }
}

impl Ids {
    /// Forgets what has expired, which is refused for that alone.
    fn forget(&mut self, now_s: u64) {
        while let Some(&(exp, jti)) = self.expiring.first().filter(|(exp, _)| *exp <= now_s) {
            self.expiring.remove(&(exp, jti));
            self.known.remove(&jti);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(used: &mut Used, node: u8, jti: usize, now_s: u64) -> Result<(), CredentialError> {
        used.take(NodeId([node; 32]), Uuid::from_u128(jti as u128), now_s + 300, now_s)
    }

    #[test]
    fn an_id_is_good_once_until_it_expires() {
        let mut used = Used::default();
        assert_eq!(take(&mut used, 1, 7, 1_000), Ok(()));
        assert_eq!(take(&mut used, 1, 7, 1_001), Err(CredentialError::Used));
        assert_eq!(take(&mut used, 1, 8, 1_299), Ok(()));
        assert_eq!(take(&mut used, 1, 7, 1_299), Err(CredentialError::Used));
        assert_eq!(take(&mut used, 2, 9, 5_000), Ok(()));
        assert_eq!(used.nodes.len(), 1);
    }

    #[test]
    fn a_flood_shuts_out_only_the_node_it_comes_from() {
        let mut used = Used::default();
        assert!((0..MAX_OF_NODE).all(|jti| take(&mut used, 1, jti, 1_000).is_ok()));
        assert_eq!(take(&mut used, 1, MAX_OF_NODE, 1_000), Err(CredentialError::TooMany));
        assert_eq!(take(&mut used, 2, MAX_OF_NODE, 1_000), Ok(()));
        assert_eq!(take(&mut used, 1, MAX_OF_NODE, 1_300), Ok(()));
    }
}
