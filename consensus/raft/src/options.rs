//! How a replica is set up.

use crate::keeper::plan::Bounds;
use crate::observer::Observer;
use crate::replica::ReplicaId;
use crate::wire::FRAME_MAX;
use crate::work::Work;
use std::time::Duration;
use symbi_model::{GroupId, NodeId, gate};
use tokio::sync::watch;

/// Bytes a second of the slowest link over which a snapshot is sent.
const SLOWEST: u64 = 32 * 1024;

/// How a replica is set up. Every replica of a group should have the same times.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The group; 0 is the control group.
    pub group: GroupId,
    /// Which of the replicas that this node ever had of the group; 0 in the control group.
    pub number: u64,
    /// The highest gate that this program speaks.
    pub speaks: u32,
    /// How often a leader says that it leads. Must be above the round trip's 99th percentile.
    pub heartbeat: Duration,
    /// The shortest random wait before an election.
    pub election_min: Duration,
    /// The longest random wait before an election; also how long a leader's word holds once it was heard.
    pub election_max: Duration,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Bytes of entries between two snapshots, at most.
    pub snapshot_bytes: u64,
    /// Entries behind the last snapshot that stay in the log, so that a short absence needs no snapshot.
    pub keep_entries: u64,
    /// Bytes of entries behind the last snapshot that stay in the log, at most.
    pub keep_bytes: u64,
    /// Bytes of the log above which it is purged even if a snapshot on its way to a follower needs what follows it.
    pub log_bytes: u64,
    /// The last entry whose audit is durable elsewhere, if it is kept elsewhere: none behind it is purged.
    pub audited: Option<watch::Receiver<u64>>,
    /// How long one shipment of entries may take, sync on the follower included.
    pub append_deadline: Duration,
    /// How long a snapshot on its way may get on by nothing, and a second more for each 32 KiB of the next frame.
    pub snapshot_deadline: Duration,
    /// How long a follower may take to check and install a snapshot once it has it all.
    pub install_deadline: Duration,
    /// How long the disk may be silent before a leader hands leadership over.
    pub stall_after: Duration,
    /// How long the disk may be silent before the replica ends, and how often leadership is handed over at most.
    pub stall_ends: Duration,
    /// Where long work is done.
    pub work: Work,
    /// Told of each entry that is applied.
    pub observer: Observer,
}

impl Options {
    /// The defaults for one replica of the control group.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            group: GroupId(0),
            number: 0,
            speaks: gate::spoken(),
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(600),
            snapshot_every: 50_000,
            snapshot_bytes: 64 * 1024 * 1024,
            keep_entries: 1_000,
            keep_bytes: 16 * 1024 * 1024,
            log_bytes: 512 * 1024 * 1024,
            audited: None,
            append_deadline: Duration::from_secs(3),
            snapshot_deadline: Duration::from_secs(5),
            install_deadline: Duration::from_secs(30),
            stall_after: Duration::from_secs(2),
            stall_ends: Duration::from_secs(10),
            work: Work::Threads,
            observer: Observer::default(),
        }
    }

    /// The replica.
    #[must_use]
    pub fn replica(&self) -> ReplicaId {
        ReplicaId { node: self.node, number: self.number }
    }

    /// What the log is measured by.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            snapshot_entries: self.snapshot_every,
            snapshot_bytes: self.snapshot_bytes,
            keep_entries: self.keep_entries,
            keep_bytes: self.keep_bytes,
            log_bytes: self.log_bytes,
        }
    }

    /// How long the next frame of a snapshot, of so many bytes, may take from when the one before it was taken.
    pub(crate) fn frame_patience(&self, bytes: usize) -> Duration {
        self.snapshot_deadline + Duration::from_millis(bytes as u64 * 1_000 / SLOWEST)
    }

    /// How long a snapshot on its way in may be silent: longer than its sender waits for anything.
    pub(crate) fn snapshot_silence(&self) -> Duration {
        2 * self.frame_patience(FRAME_MAX)
    }

    /// openraft's settings, checked.
    pub(crate) fn config(&self) -> Result<openraft::Config, openraft::ConfigError> {
        openraft::Config {
            cluster_name: format!("group-{}", self.group),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: millis(self.snapshot_deadline),
            // Both are ours to do: see [`crate::keeper`].
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            // One second between tries, the default's end, would be most of what a returning node waits.
            backoff: "100ms 200ms ...500ms".to_owned(),
            // A node that was cut off must not disturb the leader when it returns.
            enable_pre_vote: Some(true),
            // Otherwise a restarted leader goes on in its old term without asking anybody.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        }
        .validate()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
