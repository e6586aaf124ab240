//! Views: what a node says of itself by gossip. A hint that nothing relies on, but signed, so that it is that node's.

use super::{VIEW_BYTES, decode, encode};
use crate::error::Error;
use crate::mac::Transcript;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use symbi_model::agent::Tier;
use symbi_model::{ClusterId, NodeId};

const LABEL: &[u8] = b"symbi-view-v1\0";
/// The longest version of a program, in bytes.
const VERSION_BYTES: usize = 32;
/// More of anything, MiB or thousandths of a core, no machine has.
const AMOUNT: u64 = 1 << 40;
/// More agents no node runs.
const AGENTS: u32 = 1_000_000;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The node.
    pub node: NodeId,
    /// One more for each view of one start of the node, from the boot count in the high 32 bits: the highest is the latest.
    pub sequence: u64,
    /// The node's clock, ms since the Unix epoch.
    pub wall_ms: u64,
    /// The last log index that it has applied.
    pub applied_index: u64,
    /// The version of its program.
    pub version: String,
    /// How many agents run on it.
    pub agents: u32,
    /// What is in use on its machine.
    pub usage: Usage,
    /// What it can isolate agents with at the moment.
    pub tiers: BTreeSet<Tier>,
}

/// What a machine has, and what of it is in use; of its cgroup, where that has less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Memory in use, MiB; what the system could give back at once does not count.
    pub memory_used_mb: u64,
    /// Memory in all, MiB.
    pub memory_total_mb: u64,
    /// Processor time in use since the view before, thousandths of a core.
    pub cpu_used_millis: u64,
    /// Processor time in all, thousandths of a core.
    pub cpu_total_millis: u64,
    /// Disk of the data directory in use, MiB.
    pub disk_used_mb: u64,
    /// Disk of the data directory in all, MiB.
    pub disk_total_mb: u64,
}

/// A view and its node's signature.
#[derive(Serialize, Deserialize)]
struct Signed {
    /// The encoded view, as it is signed.
    view: Vec<u8>,
    /// Ed25519; 64 bytes.
    signature: Vec<u8>,
}

impl View {
    /// The view as gossiped, signed with the node's own key.
    #[must_use]
    pub fn sign(&self, cluster: ClusterId, key: &SigningKey) -> Vec<u8> {
        let view = encode(self);
        let signature = key.sign(signed(cluster, &view).as_slice()).to_bytes().to_vec();
        encode(&Signed { view, signature })
    }

    /// Reads a gossiped view of this cluster. Whether its node is a member is not known here.
    ///
    /// # Errors
    /// [`Error::Frame`], or [`Error::SignatureWrong`] when it is not the named node's.
    pub fn open(cluster: ClusterId, bytes: &[u8]) -> Result<Self, Error> {
        let Signed { view: body, signature } = decode(bytes, VIEW_BYTES)?;
        let view: Self = decode(&body, VIEW_BYTES)?;
        let key = VerifyingKey::from_bytes(&view.node.0).map_err(|_| Error::SignatureWrong)?;
        let signature = Signature::from_slice(&signature).map_err(|_| Error::SignatureWrong)?;
        key.verify_strict(signed(cluster, &body).as_slice(), &signature).map_err(|_| Error::SignatureWrong)?;
        Ok(view)
    }

    /// What of it cannot be true, whoever signed it; none if it all may be. What is left to lie about is how much of what
    /// it has a machine uses, and that decides nothing.
    #[must_use]
    pub fn implausible(&self) -> Option<&'static str> {
        let Usage { memory_used_mb, memory_total_mb, cpu_used_millis, cpu_total_millis, disk_used_mb, disk_total_mb } =
            self.usage;
        let amounts = [
            (memory_used_mb, memory_total_mb, "its memory"),
            (cpu_used_millis, cpu_total_millis, "its processor time"),
            (disk_used_mb, disk_total_mb, "its disk"),
        ];
        let wrong = amounts.into_iter().find(|(used, total, _)| used > total || *total > AMOUNT);
        if let Some((_, _, what)) = wrong {
            return Some(what);
        }
        if self.agents > AGENTS {
            return Some("its agents");
        }
        let version = self.version.as_bytes();
        let is_version = version.len() <= VERSION_BYTES && version.iter().all(u8::is_ascii_graphic);
        (!is_version).then_some("its version")
    }
}

fn signed(cluster: ClusterId, view: &[u8]) -> Transcript {
    Transcript::new(LABEL).fixed(cluster.0.as_bytes()).bytes(view)
}
