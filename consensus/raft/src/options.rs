//! How a replica is set up.

use crate::observer::Observer;
use std::time::Duration;
use symbi_model::{GroupId, NodeId};

/// How a replica is set up. Every replica of a group should have the same times.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The group; 0 is the control group.
    pub group: GroupId,
    /// How often a leader says that it leads. Must be above the round trip's 99th percentile.
    pub heartbeat: Duration,
    /// The shortest random wait before an election.
    pub election_min: Duration,
    /// The longest random wait before an election; also how long a leader's word holds once it was heard.
    pub election_max: Duration,
    /// Entries between two snapshots, and how far a follower may fall behind before it is sent one.
    pub snapshot_every: u64,
    /// Entries behind the last snapshot that stay in the log, so that a short absence needs no snapshot.
    pub keep_entries: u64,
    /// How long one shipment of entries may take, sync on the follower included.
    pub append_deadline: Duration,
    /// How long one frame of a snapshot may take.
    pub snapshot_deadline: Duration,
    /// How long a follower may take to check and install a snapshot once it has it all.
    pub install_deadline: Duration,
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
            heartbeat: Duration::from_millis(100),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(600),
            snapshot_every: 50_000,
            keep_entries: 1_000,
            append_deadline: Duration::from_secs(3),
            snapshot_deadline: Duration::from_secs(5),
            install_deadline: Duration::from_secs(30),
            observer: Observer::default(),
        }
    }

    /// openraft's settings, checked.
    pub(crate) fn config(&self) -> Result<openraft::Config, openraft::ConfigError> {
        openraft::Config {
            cluster_name: format!("group-{}", self.group),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            install_snapshot_timeout: millis(self.snapshot_deadline),
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_every),
            replication_lag_threshold: self.snapshot_every,
            max_in_snapshot_log_to_keep: self.keep_entries,
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
