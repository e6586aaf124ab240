//! What a new cluster begins with: its id, its first node, its first API token, its first policies.

use crate::failure::Failure;
use crate::options::Options;
use symbi_model::agent::Resources;
use symbi_model::command::Genesis;
use symbi_model::node::Profile;
use symbi_model::{ClusterId, Hash, NodeId};

/// The share of a machine's memory that is offered to agents, in percent; the rest is the system's and the node's own.
const MEMORY_PERCENT: u64 = 80;

/// A genesis for the given node, and the text of the first API token.
#[must_use]
pub fn genesis(options: &Options, node: NodeId, profile: Profile) -> (Genesis, String) {
    let admin = format!("symbi-admin-{}", hex::encode(rand::random::<[u8; 32]>()));
    let name = options.cluster_name.clone();
    let genesis = Genesis {
        // Random and not by time: tokens and data directories are told apart by its first digits.
        cluster: ClusterId(uuid::Builder::from_random_bytes(rand::random()).into_uuid()),
        domain: options.domain.clone().unwrap_or_else(|| format!("{name}.symbi.internal")),
        name,
        node,
        node_name: options.name.clone(),
        profile,
        admin_token: Hash::of(&[admin.as_bytes()]),
        policies: symbi_policy::STARTER.to_owned(),
    };
    (genesis, admin)
}

/// What this machine offers to agents: its memory (or its cgroup's, if that is less) less a fifth, and its cores.
///
/// # Errors
/// When `/proc/meminfo` cannot be read.
pub fn allocatable() -> Result<Resources, Failure> {
    let text = std::fs::read_to_string("/proc/meminfo")
        .map_err(|error| Failure::new(1, "MEMORY", "cannot measure this machine's memory").why(error.to_string()))?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let total_kb: u64 =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|kb| kb.parse().ok()).unwrap_or(0);
    let limit_mb = cgroup_limit_bytes().map_or(u64::MAX, |bytes| bytes / 1024 / 1024);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Resources {
        memory_mb: (total_kb / 1024).min(limit_mb) * MEMORY_PERCENT / 100,
        cpu_millis: 1_000 * u64::try_from(cores).unwrap_or(1),
    })
}

/// The memory limit of this process's cgroup (version 2), if there is one.
fn cgroup_limit_bytes() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    std::fs::read_to_string(format!("/sys/fs/cgroup{path}/memory.max")).ok()?.trim().parse().ok()
}
